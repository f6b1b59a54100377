//! What is logged, and how the operator changes that while the server runs.

use serde::{Deserialize, Serialize};
use tracing::Metadata;
use tracing::level_filters::LevelFilter;
use tracing::subscriber::Interest;
use tracing_subscriber::layer::{Context, Filter};
use tracing_subscriber::{EnvFilter, Registry, reload};

use crate::error::{Error, Result};

/// Where the span of a request is made, under which everything is logged that happens in one.
const REQUESTS: &str = "runyard::api::context";

/// The least level that is logged, or a filter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Level {
    /// As in `LOG_LEVEL`.
    pub level: String,
}

/// Events by the filter, and of all spans that of the request alone, at any level: a line without its request is of
/// no use.
#[derive(Debug)]
pub struct LogFilter(pub EnvFilter);

impl Filter<Registry> for LogFilter {
    fn enabled(&self, metadata: &Metadata<'_>, context: &Context<'_, Registry>) -> bool {
        if metadata.is_span() {
            return metadata.target() == REQUESTS;
        }
        Filter::<Registry>::enabled(&self.0, metadata, context)
    }

    fn callsite_enabled(&self, metadata: &'static Metadata<'static>) -> Interest {
        if metadata.is_span() {
            return if metadata.target() == REQUESTS { Interest::always() } else { Interest::never() };
        }
        Filter::<Registry>::callsite_enabled(&self.0, metadata)
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Filter::<Registry>::max_level_hint(&self.0).map(|level| level.max(LevelFilter::INFO))
    }
}

/// Changes what is logged.
#[derive(Debug, Clone)]
pub struct LogControl(reload::Handle<LogFilter, Registry>);

impl LogControl {
    /// Over the filter of the log.
    pub fn new(filter: reload::Handle<LogFilter, Registry>) -> Self {
        Self(filter)
    }

    /// What is logged now.
    ///
    /// # Errors
    /// [`Error::Internal`] when the log is gone.
    pub fn level(&self) -> Result<Level> {
        let level = self.0.with_current(|filter| filter.0.to_string()).map_err(anyhow::Error::from)?;
        Ok(Level { level })
    }

    /// Has something else logged from now on, until the process ends.
    ///
    /// # Errors
    /// [`Error::Invalid`] for what is no level and no filter.
    pub fn set_level(&self, wanted: &Level) -> Result<()> {
        let filter = parse(&wanted.level).ok_or_else(|| {
            Error::invalid(
                "level",
                "must be `error`, `warn`, `info`, `debug`, `trace` or `off`, or a filter such as `info,runyard=debug`",
            )
        })?;
        self.0.reload(LogFilter(filter)).map_err(anyhow::Error::from)?;
        tracing::info!(level = wanted.level, "the operator has changed what is logged");
        Ok(())
    }
}

/// The filter that this says. A word that is no level would be taken for a target, and hide everything else.
fn parse(text: &str) -> Option<EnvFilter> {
    let is_level = |part: &str| !part.is_empty() && part.parse::<LevelFilter>().is_ok() && part.parse::<u8>().is_err();
    let fits = |part: &str| match part.trim().split_once('=') {
        Some((target, level)) => !target.is_empty() && is_level(level),
        None => is_level(part.trim()),
    };
    if !text.split(',').all(fits) {
        return None;
    }
    // Between parts people write spaces, which the parser does not take.
    EnvFilter::try_new(text.replace(' ', "")).ok()
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn a_level_or_a_filter_is_understood_and_nothing_else() {
        for text in ["info", "OFF", "warn,runyard::api=debug", "info, hyper=off"] {
            assert!(parse(text).is_some(), "{text}");
        }
        for text in ["", "loud", "info,", "runyard", "runyard=", "=info", "runyard=loud", "3", "[request{id=1}]=info,x"]
        {
            assert!(parse(text).is_none(), "{text}");
        }
    }
}
