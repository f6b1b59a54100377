//! The queue: what is published is delivered until it is acked, each time to one consumer alone.

mod storage;
