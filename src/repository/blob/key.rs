//! Names of blobs: a key says which blob, and only [`BlobKey::path`] says where that lies in a store.

use chrono::{DateTime, Utc};
use uuid::Uuid;

/// One blob: a segment of a workspace. Keys sort as their paths do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BlobKey {
    /// The workspace that the blob belongs to.
    pub workspace: Uuid,
    /// The segment, a UUIDv7: the time in it is the time at which the blob was begun.
    pub segment: Uuid,
}

impl BlobKey {
    /// `<workspace>/runs/<yyyy-mm-dd>/<uuid7>`.
    ///
    /// The day comes from the segment's own time, so that a path can be told from the key alone, at any later time
    /// and on any machine.
    pub fn path(&self) -> String {
        format!("{}/runs/{}/{}", self.workspace, self.made_at().format("%Y-%m-%d"), self.segment)
    }

    /// The key whose path this is, or nothing if no key has it.
    pub fn parse(path: &str) -> Option<Self> {
        let (workspace, rest) = path.split_once('/')?;
        let (_, segment) = rest.rsplit_once('/')?;
        let key = Self { workspace: workspace.parse().ok()?, segment: segment.parse().ok()? };
        // A UUID can be written in several ways and only one of them is ours; comparing refuses them all at once,
        // and a wrong day too.
        (key.path() == path).then_some(key)
    }

    /// When the blob was begun, to the millisecond.
    pub fn made_at(&self) -> DateTime<Utc> {
        let [a, b, c, d, e, f, ..] = self.segment.into_bytes();
        DateTime::from_timestamp_millis(i64::from_be_bytes([0, 0, a, b, c, d, e, f])).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATH: &str = "0190163d-8694-739b-aea5-966c26f8ad90/runs/2024-07-04/01907d5f-9e2c-7bc1-8a5b-3f0d2c1e4a77";

    #[test]
    fn a_path_is_the_workspace_the_segments_own_day_and_the_segment() {
        let key = BlobKey::parse(PATH).unwrap();
        assert_eq!(key.path(), PATH);
        assert_eq!(key.made_at().to_rfc3339(), "2024-07-04T10:52:16.812+00:00");
    }

    #[test]
    fn what_is_not_exactly_a_path_of_ours_has_no_key() {
        let upper = PATH.to_uppercase().replace("RUNS", "runs");
        let plain = PATH.replace('-', "");
        let day = PATH.replace("07-04", "07-05");
        let kind = PATH.replace("runs", "walks");
        for wrong in ["", "/", ".ping", &upper, &plain, &day, &kind, &format!("{PATH}/"), &format!("/{PATH}")] {
            assert_eq!(BlobKey::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn keys_sort_as_their_paths_do() {
        let mut keys: Vec<_> = (0..64_u128)
            .map(|n| n.wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835))
            .map(|n| BlobKey { workspace: Uuid::from_u128(n), segment: Uuid::from_u128(n.rotate_left(64) >> 4) })
            .collect();
        keys.sort();
        assert!(keys.is_sorted_by_key(BlobKey::path));
    }
}
