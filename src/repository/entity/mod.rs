//! The rows, one file for each table; a row never leaves the repository and the service.

pub mod api_key;
pub mod favorite;
pub mod favorite_shelf;
pub mod gpu;
pub mod member;
pub mod project;
pub mod refresh_token;
pub mod run;
pub mod sample_block;
pub mod segment;
pub mod series;
pub mod session;
pub mod streamer_position;
pub mod task;
pub mod task_change;
pub mod task_counter;
pub mod topic;
pub mod user;
pub mod workspace;
