//! The levels of the agent's logger.

use crate::cause::closed_names;

closed_names! {
    /// A level of the agent's logger, least first.
    pub Level {
        Trace = "TRACE",
        Debug = "DEBUG",
        Info = "INFO",
        Warn = "WARN",
        Error = "ERROR",
        Critical = "CRITICAL",
    }
}

impl Level {
    /// Whether a record of this level may be read by a signature that names no level.
    pub fn is_trouble(self) -> bool {
        self >= Self::Warn
    }
}
