//! The one list of operations that answer anonymous callers; everything else refuses them, and a test proves it.

/// Method and path of each operation that needs no credentials.
pub const PUBLIC: [(&str, &str); 5] = [
    // Ways in.
    ("POST", "/signup"),
    ("POST", "/login"),
    ("POST", "/token"),
    // Probes.
    ("GET", "/healthz"),
    ("GET", "/readyz"),
];
