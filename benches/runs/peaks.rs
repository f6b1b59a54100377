//! How much memory each server took: what it had at rest, and the most that it ever had, told when it ends.

use std::cell::Cell;
use std::sync::mpsc::Sender;
use std::time::Duration;

use anyhow::Result;
use tokio::time::sleep;

use crate::children::memory;

/// After this time nothing of the start goes on any more.
pub const REST: Duration = Duration::from_secs(1);

/// What one server took, in MiB.
#[derive(Debug)]
pub struct Peak {
    /// On which stores it was.
    pub stores: &'static str,
    /// Before anybody asked it for anything (`VmRSS`).
    pub rest: f64,
    /// At most (`VmHWM`).
    pub most: f64,
}

/// Whom servers tell of it, if anybody wants to know.
#[derive(Debug, Clone)]
pub struct Peaks(Option<Sender<Peak>>);

impl Peaks {
    /// Somebody does.
    pub fn told_to(sender: Sender<Peak>) -> Self {
        Self(Some(sender))
    }

    /// Nobody does.
    pub fn unasked() -> Self {
        Self(None)
    }

    /// Whether anybody does.
    pub fn are_asked(&self) -> bool {
        self.0.is_some()
    }

    /// Waits until a server that was just started is at rest, and looks at it from then on.
    pub async fn look_at(&self, process: u32, stores: &'static str) -> Result<Option<Look>> {
        let Some(sender) = self.0.clone() else { return Ok(None) };
        sleep(REST).await;
        Ok(Some(Look { sender, process, stores, rest: memory(process, "VmRSS")?, most: Cell::new(0.0) }))
    }
}

/// A look at one server, which tells of it when it ends. It must end before the server does.
#[derive(Debug)]
pub struct Look {
    sender: Sender<Peak>,
    process: u32,
    stores: &'static str,
    rest: f64,
    most: Cell<f64>,
}

impl Look {
    /// Takes the peak until now down, since it is about to be forgotten by the system.
    pub fn note(&self) -> Result<()> {
        self.most.set(self.most.get().max(memory(self.process, "VmHWM")?));
        Ok(())
    }
}

impl Drop for Look {
    fn drop(&mut self) {
        match self.note() {
            // Whoever asked may have gone already, when the benchmark ends with an error.
            Ok(()) => drop(self.sender.send(Peak { stores: self.stores, rest: self.rest, most: self.most.get() })),
            Err(error) => eprintln!("the memory of a server is not known: {error:#}"),
        }
    }
}
