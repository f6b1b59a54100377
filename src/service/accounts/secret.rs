//! The secret of the tokens: given, or made on first start and kept for the owner's eyes alone.

use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use anyhow::{Context, anyhow};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secrecy::{ExposeSecret, SecretString};
use uuid::Uuid;

use crate::error::Result;

/// Least bytes of a secret: the output size of SHA-256.
const MIN_BYTES: usize = 32;

/// One secret or several: all of them verify, the first one signs.
#[derive(Debug, Clone)]
pub struct JwtSecret(Vec<SecretString>);

impl JwtSecret {
    /// From a list separated by commas.
    ///
    /// # Errors
    /// Says that a secret is too short.
    pub fn parse(list: &SecretString) -> Result<Self> {
        let secrets: Vec<SecretString> =
            list.expose_secret().split(',').map(|secret| SecretString::from(secret.trim().to_owned())).collect();
        if secrets.iter().any(|secret| secret.expose_secret().len() < MIN_BYTES) {
            return Err(anyhow!("JWT_SECRET must have at least {MIN_BYTES} bytes, each of several too").into());
        }
        Ok(Self(secrets))
    }

    /// The one kept in `folder`, made on the first call and readable by its owner alone.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn load_or_create(folder: &Path) -> Result<Self> {
        std::fs::create_dir_all(folder).context("making the data folder")?;
        let path = folder.join("jwt_secret");
        let fresh = random();
        // Written aside and linked into place, so that a server that starts at the same moment never reads half of it.
        // Process ids do not tell servers apart: each container has its first one.
        let aside = folder.join(format!("jwt_secret.{}", Uuid::new_v4()));
        let file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&aside);
        let mut file = file.context("making the token secret")?;
        file.write_all(fresh.as_bytes()).and_then(|()| file.sync_all()).context("writing the token secret")?;
        let linked = std::fs::hard_link(&aside, &path);
        std::fs::remove_file(&aside).context("tidying after the token secret")?;
        match linked {
            Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => {
                return Err(anyhow::Error::new(error).context("keeping the token secret").into());
            }
            _ => {}
        }
        let kept = std::fs::read_to_string(&path).context("reading the token secret")?;
        Self::parse(&SecretString::from(kept.trim().to_owned()))
    }

    /// One that nobody knows, for a process that neither signs tokens nor reads any.
    pub fn unknown() -> Self {
        Self(vec![SecretString::from(random())])
    }

    /// The secrets, the signing one first.
    pub fn all(&self) -> impl Iterator<Item = &[u8]> {
        self.0.iter().map(|secret| secret.expose_secret().as_bytes())
    }
}

fn random() -> String {
    URL_SAFE_NO_PAD.encode(rand::random::<[u8; 32]>())
}
