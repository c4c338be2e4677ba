//! One finding as one record: its JSON, compressed with a dictionary learned from the first few hundred. It owns the
//! record's layout and the dictionaries in memory; where records are kept is in [`crate::cache::log`].
//!
//! A record is a head of 28 bytes, little-endian (length of the frame, length of the JSON, key, dictionary, flags, sum),
//! and a zstd frame. A record of length 0 says that the finding with its key is gone.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use zstd::bulk::{Compressor, Decompressor};
use zstd::dict::{DecoderDictionary, EncoderDictionary};

use crate::cache::error::CacheError;
use crate::cache::files::sum;
use crate::model::finding::Finding;

/// Bytes of a record before its frame.
pub(crate) const HEAD: usize = 28;
/// The longest JSON of one finding; importers refuse records long before.
const LONGEST: u32 = 128 << 20;
const LEVEL: i32 = 3;
/// How many findings a dictionary is learned from, and how much of each.
const SAMPLES: usize = 384;
const SAMPLE: usize = 16 << 10;
const DICTIONARY: usize = 64 << 10;

/// Stores a dictionary under its id.
pub type Keep<'a> = &'a dyn Fn(u32, &[u8]) -> Result<(), CacheError>;

/// A finding's record, ready to be kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record(pub(crate) Box<[u8]>);

/// What stands before a record's frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Head {
    /// Bytes of the frame; 0 for a finding that is gone.
    pub(crate) length: u32,
    /// Bytes of the JSON.
    raw: u32,
    pub(crate) key: u64,
    /// The dictionary's id; 0 for none.
    dictionary: u32,
    /// The caller's.
    pub(crate) flags: u8,
    sum: u32,
}

impl Record {
    /// The record that says a finding is gone.
    pub fn gone(key: u64) -> Self {
        Self::new(Head { length: 0, raw: 0, key, dictionary: 0, flags: 0, sum: 0 }, &[])
    }

    /// Bytes it takes.
    pub fn size(&self) -> u64 {
        self.0.len() as u64
    }

    fn new(head: Head, frame: &[u8]) -> Self {
        let mut bytes = Vec::with_capacity(HEAD + frame.len());
        bytes.extend_from_slice(&head.length.to_le_bytes());
        bytes.extend_from_slice(&head.raw.to_le_bytes());
        bytes.extend_from_slice(&head.key.to_le_bytes());
        bytes.extend_from_slice(&head.dictionary.to_le_bytes());
        bytes.extend_from_slice(&u32::from(head.flags).to_le_bytes());
        let sum = record_sum(&bytes, frame);
        bytes.extend_from_slice(&sum.to_le_bytes());
        bytes.extend_from_slice(frame);
        Self(bytes.into())
    }

    pub(crate) fn head(&self) -> Head {
        let mut head = [0; HEAD];
        head.copy_from_slice(&self.0[..HEAD]);
        Head::read(&head)
    }

    /// The record of these bytes, checked.
    pub(crate) fn from_bytes(bytes: Vec<u8>) -> Option<Self> {
        let head = Head::read(bytes.first_chunk()?);
        let (before, frame) = (bytes.get(..HEAD - 4)?, bytes.get(HEAD..)?);
        let whole = frame.len() == head.length as usize && head.sum == record_sum(before, frame);
        whole.then(|| Self(bytes.into()))
    }
}

impl Head {
    pub(crate) fn read(bytes: &[u8; HEAD]) -> Self {
        let word = |at: usize| u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
        let key = u64::from(word(8)) | u64::from(word(12)) << 32;
        Self { length: word(0), raw: word(4), key, dictionary: word(16), flags: word(20) as u8, sum: word(24) }
    }
    /// Bytes of the whole record.
    pub(crate) fn size(&self) -> u64 {
        HEAD as u64 + u64::from(self.length)
    }
}

fn record_sum(head: &[u8], frame: &[u8]) -> u32 {
    let (head, frame) = (sum(head), sum(frame));
    let mixed = head.rotate_left(17) ^ frame;
    (mixed ^ mixed >> 32) as u32
}

struct Dictionary {
    id: u32,
    encoder: EncoderDictionary<'static>,
    decoder: DecoderDictionary<'static>,
}

#[derive(Default)]
struct Learning {
    /// The newest last; it is the one new records are packed with.
    known: Vec<Arc<Dictionary>>,
    samples: Vec<Vec<u8>>,
}

/// Packs findings into records and back.
#[derive(Default)]
pub struct Codec {
    learning: Mutex<Learning>,
}

impl std::fmt::Debug for Codec {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Codec").finish_non_exhaustive()
    }
}

/// The id a dictionary goes by; never 0.
pub(crate) fn dictionary_id(bytes: &[u8]) -> u32 {
    let sum = sum(bytes);
    (sum ^ sum >> 32) as u32 | 1
}

impl Codec {
    fn learning(&self) -> MutexGuard<'_, Learning> {
        self.learning.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Knows a dictionary from now on, and packs with it.
    pub(crate) fn adopt(&self, bytes: &[u8]) -> bool {
        let (Ok(encoder), Ok(decoder)) = (EncoderDictionary::try_copy(bytes, LEVEL), DecoderDictionary::try_copy(bytes)) else {
            return false;
        };
        let mut learning = self.learning();
        learning.samples = Vec::new();
        learning.known.push(Arc::new(Dictionary { id: dictionary_id(bytes), encoder, decoder }));
        true
    }

    /// Packs findings with the caller's flags. `keep` stores a dictionary that was just learned; when it cannot, packing
    /// goes on without.
    ///
    /// # Errors
    /// When a finding is over 128 MiB or zstd fails.
    pub fn pack(&self, findings: &[(u8, &Finding)], keep: Keep<'_>) -> Result<Vec<Record>, CacheError> {
        self.learn(findings, keep);
        let dictionary = self.learning().known.last().cloned();
        let failed = |finding: &Finding, why: String| CacheError::Pack { key: finding.key.to_string(), why };
        let compressor = match &dictionary {
            Some(dictionary) => Compressor::with_prepared_dictionary(&dictionary.encoder),
            None => Compressor::new(LEVEL),
        };
        let mut compressor = match (compressor, findings.first()) {
            (Ok(compressor), _) => compressor,
            (Err(_), None) => return Ok(Vec::new()),
            (Err(e), Some((_, finding))) => return Err(failed(finding, e.to_string())),
        };
        let mut json = Vec::new();
        let mut records = Vec::with_capacity(findings.len());
        for (flags, finding) in findings {
            json.clear();
            serde_json::to_writer(&mut json, finding).map_err(|e| failed(finding, e.to_string()))?;
            let raw = u32::try_from(json.len()).ok().filter(|raw| *raw <= LONGEST);
            let raw = raw.ok_or_else(|| failed(finding, format!("it is {} MiB, the most is 128", json.len() >> 20)))?;
            let frame = compressor.compress(&json).map_err(|e| failed(finding, e.to_string()))?;
            let length = frame.len() as u32;
            let dictionary = dictionary.as_ref().map_or(0, |d| d.id);
            let head = Head { length, raw, key: finding.key.short(), dictionary, flags: *flags, sum: 0 };
            records.push(Record::new(head, &frame));
        }
        Ok(records)
    }

    fn learn(&self, findings: &[(u8, &Finding)], keep: Keep<'_>) {
        let mut learning = self.learning();
        if !learning.known.is_empty() || learning.samples.len() >= SAMPLES {
            return;
        }
        // Evenly over what came, so that one long run of the same control does not fill the dictionary.
        let step = (findings.len() / SAMPLES).max(1);
        for (_, finding) in findings.iter().step_by(step).take(SAMPLES - learning.samples.len()) {
            if let Ok(mut json) = serde_json::to_vec(finding) {
                json.truncate(SAMPLE);
                learning.samples.push(json);
            }
        }
        if learning.samples.len() < SAMPLES {
            return;
        }
        let learned = zstd::dict::from_samples(&learning.samples, DICTIONARY);
        learning.samples.iter_mut().for_each(|sample| *sample = Vec::new());
        drop(learning);
        if let Ok(bytes) = learned
            && keep(dictionary_id(&bytes), &bytes).is_ok()
        {
            self.adopt(&bytes);
        }
    }

    /// The finding of a record. `fetch` brings a dictionary that is not known yet.
    ///
    /// # Errors
    /// A text that says what is wrong with the record.
    pub(crate) fn unpack(&self, record: &Record, fetch: &dyn Fn(u32) -> Option<Vec<u8>>) -> Result<Finding, String> {
        let head = record.head();
        if head.length == 0 || head.raw > LONGEST {
            return Err("a record has no document, or one that is too long".into());
        }
        let known = |id: u32| self.learning().known.iter().find(|d| d.id == id).cloned();
        let dictionary = match head.dictionary {
            0 => None,
            id => Some(match known(id) {
                Some(dictionary) => dictionary,
                None => {
                    let bytes = fetch(id).filter(|bytes| dictionary_id(bytes) == id);
                    bytes
                        .filter(|bytes| self.adopt(bytes))
                        .and_then(|_| known(id))
                        .ok_or_else(|| format!("its dictionary {id:08x} is missing or damaged"))?
                }
            }),
        };
        let decompressor = match &dictionary {
            Some(dictionary) => Decompressor::with_prepared_dictionary(&dictionary.decoder),
            None => Decompressor::new(),
        };
        let unpack = |mut d: Decompressor<'_>| d.decompress(&record.0[HEAD..], head.raw as usize);
        let json = decompressor.and_then(unpack).map_err(|e| format!("a document does not unpack: {e}"))?;
        serde_json::from_slice(&json).map_err(|e| format!("a document does not read: {e}"))
    }

    /// The finding of a record that was packed here.
    ///
    /// # Errors
    /// As [`Codec::unpack`]; it does not happen to records kept in memory.
    pub fn open(&self, record: &Record) -> Result<Finding, String> {
        self.unpack(record, &|_| None)
    }
}
