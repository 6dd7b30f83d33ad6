//! What lists and controllers ask of an object without parsing its JSON: uid, labels, selectable fields, owners.
//!
//! Packed into one allocation, the same bytes in memory and on disk: length-prefixed texts,
//! `uid, labels, fields, owners`, each list preceded by its count.

use crate::intern;
use std::sync::Arc;

/// One owner of an object (`metadata.ownerReferences`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    /// The uid of the owner.
    pub uid: Arc<str>,
    /// Whether it is the managing controller.
    pub controller: bool,
    /// Whether its foreground deletion waits for this object (`blockOwnerDeletion`).
    pub block: bool,
}

/// Builds the packed form.
#[derive(Default)]
pub(crate) struct Packer(Vec<u8>);

impl Packer {
    /// Appends a count or a length: seven bits a byte, lowest first.
    pub(crate) fn number(&mut self, mut number: usize) {
        while number >= 0x80 {
            self.0.push(number.to_le_bytes()[0] | 0x80);
            number >>= 7;
        }
        self.0.push(number.to_le_bytes()[0]);
    }

    /// Appends a text.
    pub(crate) fn text(&mut self, text: &str) {
        self.number(text.len());
        self.0.extend_from_slice(text.as_bytes());
    }

    /// Appends pairs, with their count.
    pub(crate) fn pairs(&mut self, pairs: &[(&str, &str)]) {
        self.number(pairs.len());
        for (key, value) in pairs {
            self.text(key);
            self.text(value);
        }
    }

    /// Appends owners, with their count.
    pub(crate) fn owners(&mut self, owners: &[(&str, bool, bool)]) {
        self.number(owners.len());
        for (uid, controller, block) in owners {
            self.text(uid);
            self.0.push(u8::from(*controller) | u8::from(*block) << 1);
        }
    }

    /// The packed bytes.
    pub(crate) fn finish(self) -> Vec<u8> {
        self.0
    }
}

/// Reads the packed form from the front.
#[derive(Clone, Copy)]
pub(crate) struct Unpacker<'a>(&'a [u8]);

impl<'a> Unpacker<'a> {
    fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    fn number(&mut self) -> Option<usize> {
        let mut number = 0usize;
        for shift in (0..35).step_by(7) {
            let byte = self.byte()?;
            number |= usize::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(number);
            }
        }
        None
    }

    fn bytes(&mut self) -> Option<&'a [u8]> {
        let length = self.number()?;
        let (text, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(text)
    }

    fn text(&mut self) -> Option<&'a str> {
        std::str::from_utf8(self.bytes()?).ok()
    }

    fn skip_pairs(&mut self) -> Option<()> {
        for _ in 0..self.number()? {
            self.bytes()?;
            self.bytes()?;
        }
        Some(())
    }

    fn pairs(mut self) -> Pairs<'a> {
        let left = self.number().unwrap_or(0);
        Pairs { left, at: self }
    }

    fn find(mut self, wanted: &str) -> Option<&'a str> {
        for _ in 0..self.number()? {
            let key = self.bytes()?;
            let value = self.bytes()?;
            if key == wanted.as_bytes() {
                return std::str::from_utf8(value).ok();
            }
        }
        None
    }
}

/// Iterator over packed pairs.
pub(crate) struct Pairs<'a> {
    left: usize,
    at: Unpacker<'a>,
}

impl<'a> Iterator for Pairs<'a> {
    type Item = (&'a str, &'a str);
    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        Some((self.at.text()?, self.at.text()?))
    }
}

/// The packed bytes, and where their sections begin.
#[derive(Clone, Debug)]
pub(crate) struct Index {
    bytes: Box<[u8]>,
    labels_at: u32,
    fields_at: u32,
}

impl Index {
    /// Checks packed bytes whole, once, and yields the owners apart. `None`: not written by [`Packer`].
    pub(crate) fn open(bytes: &[u8]) -> Option<(Self, Box<[Owner]>)> {
        let position = |rest: &Unpacker<'_>| u32::try_from(bytes.len() - rest.0.len()).ok();
        let mut reader = Unpacker(bytes);
        reader.text()?;
        let labels_at = position(&reader)?;
        let labels = reader;
        reader.skip_pairs()?;
        let fields_at = position(&reader)?;
        let fields = reader;
        reader.skip_pairs()?;
        for mut section in [labels, fields] {
            let count = section.number()?;
            if (Pairs { left: count, at: section }).count() != count {
                return None;
            }
        }
        let count = reader.number()?;
        let mut owners = Vec::new();
        for _ in 0..count {
            let uid = intern::text(reader.text()?);
            let flags = reader.byte()?;
            owners.push(Owner { uid, controller: flags & 1 != 0, block: flags & 2 != 0 });
        }
        reader.0.is_empty().then(|| (Self { bytes: bytes.into(), labels_at, fields_at }, owners.into_boxed_slice()))
    }

    fn at(&self, offset: u32) -> Unpacker<'_> {
        Unpacker(self.bytes.get(offset as usize..).unwrap_or_default())
    }

    pub(crate) fn uid(&self) -> &str {
        self.at(0).text().unwrap_or_default()
    }

    pub(crate) fn labels(&self) -> Pairs<'_> {
        self.at(self.labels_at).pairs()
    }

    pub(crate) fn label(&self, key: &str) -> Option<&str> {
        self.at(self.labels_at).find(key)
    }

    pub(crate) fn fields(&self) -> Pairs<'_> {
        self.at(self.fields_at).pairs()
    }

    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        self.at(self.fields_at).find(name)
    }

    pub(crate) fn len(&self) -> usize {
        self.bytes.len()
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_packed_is_read_back(
            uid in ".{0,40}",
            labels in proptest::collection::btree_map(".{0,200}", ".{0,70}", 0..5),
            fields in proptest::collection::btree_map("[a-z.]{1,20}", ".{0,20}", 0..3),
            owners in proptest::collection::vec((".{0,40}", any::<bool>(), any::<bool>()), 0..3),
        ) {
            let labels: Vec<_> = labels.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
            let fields: Vec<_> = fields.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
            let owned: Vec<_> = owners.iter().map(|(uid, c, b)| (uid.as_str(), *c, *b)).collect();
            let mut packer = Packer::default();
            packer.text(&uid);
            packer.pairs(&labels);
            packer.pairs(&fields);
            packer.owners(&owned);
            let (index, read) = Index::open(&packer.finish()).unwrap();
            prop_assert_eq!(index.uid(), uid);
            prop_assert_eq!(index.labels().collect::<Vec<_>>(), labels.clone());
            prop_assert_eq!(index.fields().collect::<Vec<_>>(), fields);
            for (key, value) in labels {
                prop_assert_eq!(index.label(key), Some(value));
            }
            prop_assert_eq!(index.label("\u{1}absent"), None);
            let read: Vec<_> = read.iter().map(|o| (&*o.uid, o.controller, o.block)).collect();
            prop_assert_eq!(read, owned);
        }

        #[test]
        fn hostile_bytes_do_not_panic(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
            if let Some((index, _)) = Index::open(&bytes) {
                index.labels().count();
                index.fields().count();
            }
        }
    }
}
