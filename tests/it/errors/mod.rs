//! Errors and what every answer has in common: one body for all, an id, a coding that the caller takes.

mod bodies;
mod codings;
mod faults;
mod heads;
mod ids;
