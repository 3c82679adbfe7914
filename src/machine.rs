//! What a log shows of the machine that the agent runs on. It chooses and orders advice; it proves
//! no fault, and selects no target.

use std::borrow::Cow;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::cause::closed_names;

closed_names! {
    /// What an agent may run on, or in.
    pub Environment {
        Windows = "windows",
        Linux = "linux",
        MacOs = "macos",
        /// The agent is the snap of Ubuntu.
        Snap = "snap",
        /// A machine outside EC2 with a registration, `mi-…`.
        Hybrid = "hybrid",
        /// No registration is stored, and nothing shows an EC2 instance.
        Unregistered = "unregistered",
        /// Any container.
        Container = "container",
        /// A task of ECS, on EC2 or Fargate.
        Ecs = "ecs",
        /// A pod of Kubernetes, such as one of a DaemonSet.
        Kubernetes = "kubernetes",
        /// The control container of Bottlerocket.
        Bottlerocket = "bottlerocket",
        /// A component of Greengrass.
        Greengrass = "greengrass",
        SageMaker = "sagemaker",
        /// Its credentials are those of Default Host Management.
        Dhmc = "dhmc",
    }
}

/// The environments that a log shows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Machine(u16);

impl Machine {
    /// The log shows nothing.
    pub const UNKNOWN: Self = Self(0);

    /// The log shows `environment`, and what it implies.
    pub fn add(&mut self, environment: Environment) {
        use Environment::{Bottlerocket, Container, Ecs, Kubernetes, Linux, Snap};
        self.0 |= bit(environment);
        if matches!(environment, Ecs | Kubernetes | Bottlerocket) {
            self.0 |= bit(Container);
        }
        if matches!(environment, Bottlerocket | Snap) {
            self.0 |= bit(Linux);
        }
    }

    /// The log no longer shows it.
    pub fn remove(&mut self, environment: Environment) {
        self.0 &= !bit(environment);
    }

    /// With all that `other` shows.
    pub fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether the log shows it. Of two platforms it shows none.
    pub fn is(self, environment: Environment) -> bool {
        use Environment::{Linux, MacOs, Windows};
        let platforms = bit(Windows) | bit(Linux) | bit(MacOs);
        let clear = bit(environment) & platforms == 0 || self.0 & platforms == bit(environment);
        self.0 & bit(environment) != 0 && clear
    }

    /// Whether any platform is known.
    pub fn has_platform(self) -> bool {
        use Environment::{Linux, MacOs, Windows};
        [Windows, Linux, MacOs].into_iter().any(|one| self.is(one))
    }

    /// The log shows none.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }
}

impl FromIterator<Environment> for Machine {
    fn from_iter<I: IntoIterator<Item = Environment>>(environments: I) -> Self {
        let mut machine = Self::default();
        environments.into_iter().for_each(|one| machine.add(one));
        machine
    }
}

impl Serialize for Machine {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let all = Environment::ALL.iter();
        serializer.collect_seq(all.filter(|one| self.0 & bit(**one) != 0))
    }
}

/// A name that is not known here is passed over.
impl<'de> Deserialize<'de> for Machine {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let names = Vec::<Cow<'de, str>>::deserialize(deserializer)?;
        let known = names.iter().filter_map(|name| Environment::parse(name));
        Ok(Self(known.fold(0, |bits, one| bits | bit(one))))
    }
}

fn bit(environment: Environment) -> u16 {
    1 << environment as u16
}
