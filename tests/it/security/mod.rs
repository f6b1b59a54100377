//! Who does not get in: strangers, members of other workspaces, forgers, and readers of the log.
//!
//! Operations are walked through the OpenAPI document, so that a new one is tested before anybody thinks of it.

mod forged;
mod logs;
mod strangers;
