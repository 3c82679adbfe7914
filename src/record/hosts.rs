//! The hosts whose lines come in one stream, told apart by what wrappers say.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use crate::node::NodeId;
use crate::state::pairs::is_default;

/// So many hosts of one stream are told apart; what further ones say is not read.
const MAX_HOSTS: usize = 4096;

/// A host as a record's wrappers name it: never the authority for a write.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Host {
    #[serde(skip_serializing_if = "is_default")]
    pub name: Option<Box<str>>,
    #[serde(skip_serializing_if = "is_default")]
    pub id: Option<NodeId>,
}

/// For serde, which reads an `Arc` only with a feature of its own.
pub(super) mod shared {
    use std::sync::Arc;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use super::Host;

    pub(in crate::record) fn serialize<S: Serializer>(
        host: &Option<Arc<Host>>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        host.as_deref().serialize(serializer)
    }

    pub(in crate::record) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Arc<Host>>, D::Error> {
        Ok(Option::deserialize(deserializer)?.map(Arc::new))
    }
}

/// Gives each host of a stream its place. What comes without a host has the
/// first place; so has the only host.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Hosts {
    /// The id that the stream's name or the caller gives.
    #[serde(skip_serializing_if = "is_default")]
    of_stream: Option<NodeId>,
    #[serde(skip_serializing_if = "is_default")]
    list: Vec<Host>,
    /// Names and ids; no place for what several hosts share.
    #[serde(skip_serializing_if = "is_default")]
    places: HashMap<Box<str>, Option<usize>>,
    /// Lines of more than one host have come.
    #[serde(skip_serializing_if = "is_default")]
    several: bool,
}

impl Hosts {
    /// Of a stream whose name, or caller, gives the node's id.
    pub fn of_stream(id: Option<NodeId>) -> Self {
        let places = id.iter().map(|id| (id.as_str().into(), Some(0)));
        Self {
            places: places.collect(),
            of_stream: id,
            list: Vec::new(),
            several: false,
        }
    }

    /// Whether lines of more than one host have come.
    pub fn are_several(&self) -> bool {
        self.several
    }

    /// Whether more is known than one name, which the next line tells again.
    pub fn are_told_apart(&self) -> bool {
        self.several || self.list.iter().any(|host| host.id.is_some())
    }

    /// How many places there are: one where nothing is known of any host.
    pub fn places(&self) -> usize {
        self.list.len().max(1)
    }

    /// Whether every name has a place that there is.
    pub fn is_sound(&self) -> bool {
        let mut places = self.places.values().flatten();
        places.all(|place| *place < self.places())
    }

    /// Forgets the names by which no host is listed.
    pub fn forget_aliases(&mut self) {
        let (list, of_stream) = (&self.list, &self.of_stream);
        let is_listed = |known: &Host, name: &str| {
            let id = known.id.as_ref().map(NodeId::as_str);
            known.name.as_deref() == Some(name) || id == Some(name)
        };
        self.places.retain(|name, place| {
            let listed = place.and_then(|place| list.get(place));
            listed.is_some_and(|known| is_listed(known, name))
                || of_stream.as_ref().map(NodeId::as_str) == Some(name)
        });
        self.places.shrink_to_fit();
    }

    /// Whether nothing is known of any host.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// What is known of the host at `place`.
    pub fn get(&self, place: usize) -> Option<&Host> {
        let host = self.list.get(place)?;
        let name = host.name.as_deref().filter(|_| host.id.is_none());
        // Its id came with a line that another place has.
        let other = name.and_then(|name| self.places.get(name).copied().flatten());
        other.map_or(Some(host), |other| self.list.get(other))
    }

    /// What it holds on the heap, in bytes.
    pub fn bytes(&self) -> usize {
        self.list.capacity() * size_of::<Host>()
            + self.places.capacity() * size_of::<(Box<str>, Option<usize>)>()
            + 2 * self.places.keys().map(|name| name.len()).sum::<usize>()
    }

    /// The place of the host with this name and id; `None` where there are too many.
    pub fn place(&mut self, name: Option<&str>, id: Option<&NodeId>) -> Option<usize> {
        if name.is_none() && id.is_none() {
            return Some(0);
        }
        if self.list.is_empty() {
            self.list.push(Host::default());
        }
        let name = name.map(plain);
        // What a relay tells of itself is said of all that it passes on.
        let id = id.filter(|id| !self.is_anothers(id, name.as_deref()));
        let by_name = name.as_deref().and_then(|name| self.known(name));
        let by_id = id.and_then(|id| self.places.get(id.as_str()).copied().flatten());
        let place = match by_id.or(by_name.filter(|place| self.may_have(*place, id))) {
            Some(place) => place,
            None => self.new_place(name.as_deref(), id)?,
        };
        if let Some(id) = id
            && self.list[place].id.is_none()
        {
            self.list[place].id = Some(id.clone());
            self.places.insert(id.as_str().into(), Some(place));
        }
        if let Some(name) = name {
            self.add_name(&name, place);
        }
        Some(place)
    }

    /// Forgets the hosts of which nothing is needed; says which place each of the
    /// others had.
    pub fn retain(&mut self, is_needed: impl Fn(usize) -> bool) -> Vec<usize> {
        let kept: Vec<usize> = (0..self.list.len().max(1))
            .filter(|place| *place == 0 || is_needed(*place))
            .collect();
        if kept.len() < self.list.len() {
            self.list = (kept.iter())
                .map(|place| self.list[*place].clone())
                .collect();
            let places = std::mem::take(&mut self.places).into_iter();
            self.places = places
                .filter_map(|(name, place)| match place {
                    None => Some((name, None)),
                    Some(place) => Some((name, Some(kept.binary_search(&place).ok()?))),
                })
                .collect();
        }
        kept
    }

    fn known(&self, name: &str) -> Option<usize> {
        if let Some(place) = self.places.get(name) {
            return *place;
        }
        // A full name, of which the short one is known.
        let (short, _) = name.split_once('.')?;
        let place = self.places.get(short).copied().flatten()?;
        let is_full = self.list[place]
            .name
            .as_deref()
            .is_some_and(|name| name.contains('.'));
        (!is_full).then_some(place)
    }

    /// Whether a host of another name has the id.
    fn is_anothers(&self, id: &NodeId, name: Option<&str>) -> bool {
        let place = self.places.get(id.as_str()).copied().flatten();
        let its = place.and_then(|place| self.list.get(place)?.name.as_deref());
        let short = |name: &'_ str| name.split('.').next().map(str::to_owned);
        its.zip(name)
            .is_some_and(|(its, name)| short(its) != short(name))
    }

    /// Whether the host at `place` can have this id: the first is the stream's.
    fn may_have(&self, place: usize, id: Option<&NodeId>) -> bool {
        let known = self.list[place].id.as_ref();
        let known = known.or(self.of_stream.as_ref().filter(|_| place == 0));
        id.is_none() || known.is_none() || known == id
    }

    /// The first place goes to the only host, unless the stream is another's.
    fn new_place(&mut self, name: Option<&str>, id: Option<&NodeId>) -> Option<usize> {
        let is_free = name.is_none() || self.list[0].name.is_none();
        if is_free && !self.several && self.may_have(0, id) {
            return Some(0);
        }
        self.several = true;
        if self.list.len() >= MAX_HOSTS {
            return None;
        }
        self.list.push(Host::default());
        Some(self.list.len() - 1)
    }

    /// A name that several ids have is nobody's: a relay's, or a pod's.
    fn add_name(&mut self, name: &str, place: usize) {
        match self.places.get(name) {
            Some(None) => return,
            Some(Some(other)) if *other == place => return,
            Some(Some(other)) if self.list[*other].id.is_some() => {
                self.places.insert(name.into(), None);
                return;
            }
            Some(Some(_)) | None => self.places.insert(name.into(), Some(place)),
        };
        if let Some((short, _)) = name.split_once('.') {
            let known = self.places.get(short).copied();
            let its = known.is_none_or(|known| known == Some(place));
            self.places.insert(short.into(), its.then_some(place));
        }
        let host = &mut self.list[place];
        if host
            .name
            .as_deref()
            .is_none_or(|known| known.len() < name.len())
        {
            host.name = Some(name.into());
        }
    }
}

/// Host names are one in any case; EC2 names hosts by their address.
fn plain(name: &str) -> String {
    let name = name.to_ascii_lowercase();
    match name.parse::<std::net::Ipv4Addr>() {
        Ok(_) => format!("ip-{}", name.replace('.', "-")),
        Err(_) => name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(last: char) -> NodeId {
        NodeId::parse(&format!("i-0123456789abcde{last}0")).expect("an id")
    }

    #[test]
    fn one_host_by_any_of_its_names_is_one() {
        let mut hosts = Hosts::default();
        let a = id('a');
        for (name, id) in [
            (Some("ip-10-0-0-1"), None),
            (Some("ip-10-0-0-1.ec2.internal"), None),
            (Some("IP-10-0-0-1"), Some(&a)),
            (Some("10.0.0.1"), None),
            (None, Some(&a)),
            (None, None),
        ] {
            assert_eq!(hosts.place(name, id), Some(0), "{name:?} {id:?}");
        }
        assert!(!hosts.are_several());
    }

    #[test]
    fn hosts_are_told_apart_by_name_and_by_id() {
        let (a, b) = (id('a'), id('b'));
        let mut hosts = Hosts::default();
        assert_eq!(hosts.place(Some("h1"), None), Some(0));
        assert_eq!(hosts.place(Some("h2"), None), Some(1));
        assert_eq!(hosts.place(Some("h1"), Some(&a)), Some(0));
        assert_eq!(hosts.place(None, Some(&a)), Some(0));
        assert_eq!(hosts.place(None, Some(&b)), Some(2));
        assert!(hosts.are_several());

        // A name that all have says nothing.
        let mut hosts = Hosts::default();
        assert_eq!(hosts.place(Some("relay"), Some(&a)), Some(0));
        assert_eq!(hosts.place(Some("relay"), Some(&b)), Some(1));
        assert_eq!(hosts.place(Some("relay"), Some(&a)), Some(0));

        // An id that all have is the relay's.
        let mut hosts = Hosts::default();
        assert_eq!(hosts.place(Some("h1.a"), Some(&a)), Some(0));
        assert_eq!(hosts.place(Some("h2.a"), Some(&a)), Some(1));
        assert_eq!(hosts.place(Some("h1.b"), Some(&a)), Some(0));
        assert_eq!(hosts.get(1).and_then(|host| host.id.as_ref()), None);
    }

    #[test]
    fn a_streams_own_node_has_the_first_place_and_no_other_has_it() {
        let (a, b) = (id('a'), id('b'));
        let mut hosts = Hosts::of_stream(Some(a.clone()));
        assert_eq!(hosts.place(None, Some(&b)), Some(1));
        assert_eq!(hosts.place(None, Some(&a)), Some(0));
        let mut hosts = Hosts::of_stream(Some(a));
        assert_eq!(hosts.place(Some("h1"), None), Some(0));
        assert_eq!(hosts.place(Some("h2"), None), Some(1));
        assert_eq!(hosts.retain(|_| false), [0]);
        assert_eq!(hosts.place(Some("h3"), None), Some(1));
        assert_eq!(hosts.place(Some("h1"), None), Some(0));
    }
}
