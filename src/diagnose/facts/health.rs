//! How an instance is by EC2's own checks, and what its console shows.

use jiff::Timestamp;

use crate::node::InstanceId;

/// EC2's status checks of an instance, and what EC2 is going to do with it.
#[derive(Debug, Clone, PartialEq)]
pub struct StatusFacts {
    pub id: InstanceId,
    /// Of what runs it: the host, its power, its network. `ok`, `impaired`,
    /// `initializing`, `insufficient-data` or `not-applicable`, as the others.
    pub system: String,
    /// Of its own network and operating system.
    pub instance: String,
    /// Of the volumes of EBS that are attached, where EC2 tells it.
    pub volumes: Option<String>,
    /// What EC2 has scheduled and not yet done or called off.
    pub events: Vec<ScheduledEvent>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct ScheduledEvent {
    /// `instance-retirement`, `system-reboot` …
    pub code: String,
    /// Not before then.
    pub at: Option<Timestamp>,
}

/// What an instance wrote to its serial console.
#[derive(Debug, Clone, PartialEq)]
pub struct ConsoleFacts {
    /// Its last lines, as it wrote them.
    pub text: String,
    /// When EC2 took them up.
    pub at: Option<Timestamp>,
}
