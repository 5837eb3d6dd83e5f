//! The one error type: what went wrong, where, why, and what to do about it, under a code that never changes meaning.

use std::fmt;
use std::sync::Arc;

/// An error of the engine or of a connector.
///
/// Reads as `CODE what (place). remedy`, so that a log line alone is enough to act on. Codes are stable: `E01xx` a flow
/// that cannot run, `E02xx` time and order, `E03xx` sinks, `E04xx` sources and decoding, `E05xx` state, `E06xx`
/// detectors and what they are learned from, `E09xx` a job that failed while it ran.
///
/// # Examples
/// ```
/// use watchfire_engine::Error;
/// let e = Error::new("E0401", "cannot open cranes.jsonl").at("source \"readings\"").remedy("check the path");
/// assert_eq!(e.to_string(), "E0401 cannot open cranes.jsonl (source \"readings\"). Remedy: check the path.");
/// assert_eq!(e.code(), "E0401");
/// ```
#[derive(Clone)]
pub struct Error(Arc<Body>);

#[derive(Clone)]
struct Body {
    code: &'static str,
    what: String,
    place: Option<String>,
    remedy: Option<String>,
    cause: Option<Arc<dyn std::error::Error + Send + Sync>>,
}

impl Error {
    /// An error with its stable `code` and one clause that says `what` went wrong, without a full stop.
    pub fn new(code: &'static str, what: impl Into<String>) -> Self {
        Error(Arc::new(Body { code, what: what.into(), place: None, remedy: None, cause: None }))
    }

    /// Adds the place: an operator, a source with its split and offset, a file and line.
    #[must_use]
    pub fn at(self, place: impl Into<String>) -> Self {
        self.edit(|body| body.place = Some(place.into()))
    }

    /// Adds what the reader can do, as an imperative clause without a full stop.
    #[must_use]
    pub fn remedy(self, remedy: impl Into<String>) -> Self {
        self.edit(|body| body.remedy = Some(remedy.into()))
    }

    /// Adds the error that caused this one.
    #[must_use]
    pub fn because(self, cause: impl std::error::Error + Send + Sync + 'static) -> Self {
        self.edit(|body| body.cause = Some(Arc::new(cause)))
    }

    /// The stable code, such as `E0401`.
    pub fn code(&self) -> &'static str {
        self.0.code
    }

    /// What went wrong, without code, place and remedy.
    pub fn what(&self) -> &str {
        &self.0.what
    }

    /// Where it went wrong, if that is known.
    pub fn place(&self) -> Option<&str> {
        self.0.place.as_deref()
    }

    fn edit(mut self, change: impl FnOnce(&mut Body)) -> Self {
        change(Arc::make_mut(&mut self.0));
        self
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.0.code, self.0.what)?;
        if let Some(place) = &self.0.place {
            write!(f, " ({place})")?;
        }
        if let Some(cause) = &self.0.cause {
            write!(f, ": {cause}")?;
        }
        if let Some(remedy) = &self.0.remedy {
            write!(f, ". Remedy: {remedy}.")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.cause.as_deref().map(|cause| cause as &(dyn std::error::Error + 'static))
    }
}
