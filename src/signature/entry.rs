//! What an entry of the catalogue says.

use crate::cause::{Cause, Severity, closed_names};
use crate::machine::Environment;
use crate::record::Level;

closed_names! {
    /// What a record of this signature says.
    pub Kind {
        /// Points at a cause.
        Fault = "fault",
        /// Something fails; the cause is elsewhere.
        Symptom = "symptom",
        /// Proves that something works again.
        Recovery = "recovery",
        /// Harmless, whatever it looks like.
        Benign = "benign",
    }
}

closed_names! {
    /// The part of the agent's work that a record is about. Parts stand in the
    /// order in which they need each other: a fault of an earlier part explains
    /// the symptoms of a later one.
    pub Part {
        Host = "host",
        Config = "config",
        Core = "core",
        Identity = "identity",
        Credentials = "credentials",
        Registration = "registration",
        Health = "health",
        Worker = "worker",
        ControlChannel = "control-channel",
        Messages = "messages",
        Associations = "associations",
        Command = "command",
        Session = "session",
        Output = "output",
        Inventory = "inventory",
        Update = "update",
    }
}

closed_names! {
    /// What a record means to the correlation beyond its kind.
    pub Role {
        /// One of three attempts to find an identity at start.
        IdentityAttempt = "identity-attempt",
        /// The agent gave up finding an identity.
        IdentityGivenUp = "identity-given-up",
        /// The agent has its identity: the metadata service answered, or a registration was read.
        /// The word after the start names it.
        IdentityTaken = "identity-taken",
        /// The agent asks whether it has an identity; the word after the start names it.
        IdentityTried = "identity-tried",
        /// A hybrid registration could not be read; the metadata errors after it are no fault of their own.
        RegistrationLost = "registration-lost",
        /// The instance profile did not work; Default Host Management is tried next.
        ProfileRefused = "profile-refused",
        /// A live call to Systems Manager succeeded with the instance's credentials.
        Connected = "connected",
        /// The agent has credentials that AWS gave it a moment ago.
        Renewed = "renewed",
        /// The agent hibernates: it starts no module until a health ping succeeds.
        Hibernating = "hibernating",
        /// Systems Manager answered a call, if only to refuse it.
        Answered = "answered",
        /// The agent is about to send its health ping.
        HealthPing = "health-ping",
        /// The control channel is open.
        ChannelOpened = "channel-opened",
        /// The control channel was lost; it normally reopens within seconds.
        ChannelLost = "channel-lost",
        /// A reconnect attempt ended; without a reopened socket it failed.
        ChannelStatus = "channel-status",
        /// A session started on the node.
        SessionStarted = "session-started",
        /// A worker process is gone.
        WorkerGone = "worker-gone",
        /// The agent waited for another process until its time ran out, as it does while the
        /// machine is suspended.
        TimeRanOut = "time-ran-out",
        /// The agent was asked to stop.
        Stopping = "stopping",
        /// The agent starts.
        Starting = "starting",
        /// How long the agent waits before it tries again, as the word after the start.
        Waiting = "waiting",
        /// The agent's version, as the word after the start.
        Version = "version",
        /// The agent begins to list its proxy environment.
        ProxyListing = "proxy-listing",
        /// The node runs on Azure: its metadata service is not EC2's.
        OnAzure = "on-azure",
        /// A client of Session Manager wrote it, on another machine than the node.
        Client = "client",
        /// It was refused to the person who uses the node, not to the node.
        Person = "person",
        /// A variable of the proxy environment, a colon, and its value.
        ProxySet = "proxy-set",
    }
}

/// What recognises a record, and what it means. The texts live as long as the
/// program: they are compiled in, or come from the one file that an operator
/// may name.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Signature {
    /// Lower-case words joined by hyphens; unique.
    pub id: &'static str,
    /// What it means, in a few plain words.
    pub title: &'static str,
    /// What a record of it says.
    pub kind: Kind,
    /// What of the agent's work it is about.
    pub part: Part,
    /// What it means to the correlation besides.
    pub role: Option<Role>,
    /// The causes it points at, likeliest first. Where the error inside the text
    /// is known, that error decides instead, unless `overrides_error`.
    pub causes: &'static [Cause],
    /// The fixed text decides; an error inside is not consulted.
    pub overrides_error: bool,
    /// Whether the causes stand side by side.
    pub ambiguous: bool,
    /// Where it differs from the cause's own.
    pub severity: Option<Severity>,
    /// Levels it may read; empty means WARN and above.
    pub levels: &'static [Level],
    /// Tags of which the record must have one; empty means any record.
    pub components: &'static [&'static str],
    /// Texts of which one starts the message.
    pub starts: &'static [&'static str],
    /// Texts of which one stands anywhere in the folded message; with no
    /// `starts`, one of them is searched for.
    pub contains: &'static [&'static str],
    /// Texts that must not stand in the folded message.
    pub excludes: &'static [&'static str],
    /// A regular expression that the folded message must match.
    pub pattern: Option<&'static str>,
    /// The parts that this recovery proves to work again.
    pub clears: &'static [Part],
    /// What it shows of the machine.
    pub machine: &'static [Environment],
}

impl Signature {
    /// Whether it reads records of this level at all.
    pub fn reads(&self, level: Level) -> bool {
        if self.levels.is_empty() {
            level.is_trouble()
        } else {
            self.levels.contains(&level)
        }
    }
}

/// What an entry says to people, and the examples that prove it: nothing that
/// the engine reads.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Documentation {
    /// The checks that settle it.
    pub checks: &'static [&'static str],
    /// When a record of it is harmless.
    pub false_positives: Option<&'static str>,
    /// Where it is documented.
    pub references: &'static [&'static str],
    /// Agent versions that write it, as in `3.2.582-` or `-3.0.655`.
    pub versions: Option<&'static str>,
    /// Log text in which it must recognise a record.
    pub matches: &'static [&'static str],
    /// Log text in which it must recognise none.
    pub rejects: &'static [&'static str],
}

/// One entry of the catalogue, or of an operator's file.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Entry {
    /// For the engine.
    pub signature: Signature,
    /// For people.
    pub documentation: Documentation,
}
