//! The body of an item: JSON, compressed.

use std::io::{Read, Write as _};

use flate2::Compression;
use flate2::read::DeflateDecoder;
use flate2::write::DeflateEncoder;
use jiff::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{FORMAT, Item, Key, MAX_ITEM_BYTES, StateError, Write};

/// No body of an item that this function wrote is longer when it is unpacked.
const MAX_UNPACKED: u64 = 64 * MAX_ITEM_BYTES as u64;

/// What an item holds, with the version that it was read with: 0 where there was
/// none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Versioned<T> {
    /// To be counted up with the next write.
    pub version: u64,
    /// What it holds; `None` where there is none, or it has expired.
    pub value: Option<T>,
}

/// What `item` holds at `now`.
///
/// # Errors
/// When a newer function wrote it, or its body is damaged.
pub fn decode<T: DeserializeOwned>(
    key: &Key,
    item: Option<&Item>,
    now: Timestamp,
) -> Result<Versioned<T>, StateError> {
    let Some(item) = item else {
        return Ok(Versioned {
            version: 0,
            value: None,
        });
    };
    if item.format > FORMAT {
        return Err(StateError::Newer {
            key: key.clone(),
            format: item.format,
        });
    }
    let mut value = None;
    if item.expires_at > now {
        let mut json = Vec::new();
        let read = DeflateDecoder::new(item.body.as_slice())
            .take(MAX_UNPACKED)
            .read_to_end(&mut json);
        let damaged = || StateError::Damaged(key.clone());
        read.map_err(|_| damaged())?;
        value = Some(serde_json::from_slice(&json).map_err(|_| damaged())?);
    }
    Ok(Versioned {
        version: item.version,
        value,
    })
}

/// The write that puts `value` in the place of the item that was read with
/// `version`.
///
/// # Errors
/// When it is too large.
pub fn encode<T: Serialize>(
    key: &Key,
    version: u64,
    value: &T,
    expires_at: Timestamp,
) -> Result<Write, StateError> {
    let too_large = || StateError::TooLarge(key.clone());
    let mut body = DeflateEncoder::new(Vec::new(), Compression::fast());
    serde_json::to_writer(&mut body, value).map_err(|_| too_large())?;
    body.flush().map_err(|_| too_large())?;
    let body = body.finish().map_err(|_| too_large())?;
    if body.len() > MAX_ITEM_BYTES {
        return Err(too_large());
    }
    Ok(Write {
        key: key.clone(),
        item: Item {
            version: version + 1,
            format: FORMAT,
            body,
            expires_at,
            open: false,
        },
    })
}
