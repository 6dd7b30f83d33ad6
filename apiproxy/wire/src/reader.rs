//! The protobuf wire format: fields of a message, one after the other.

/// Why bytes are no message.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WireError {
    /// There is no body.
    #[error("empty data")]
    NoData,
    /// There is nothing after the magic bytes.
    #[error("empty body")]
    NoBody,
    /// The body does not begin with the magic bytes.
    #[error("provided data does not appear to be a protobuf message, expected prefix [107 56 115 0]")]
    Magic,
    /// The body says it is encoded in a way nobody reads.
    #[error("unsupported content encoding")]
    Encoding,
    /// No schema for the kind.
    #[error("no kind \"{1}\" is registered for version \"{0}\"")]
    Kind(String, String),
    /// The message breaks off.
    #[error("unexpected EOF")]
    End,
    /// A tag or length that cannot be.
    #[error("proto: illegal wireType or length")]
    Malformed,
    /// Text that is not UTF-8.
    #[error("string field contains invalid UTF-8")]
    Text,
    /// Messages inside messages beyond any real object.
    #[error("exceeded max depth")]
    Depth,
    /// Embedded JSON that does not parse.
    #[error("embedded JSON: {0}")]
    Json(String),
}

/// A value on the wire.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Wire<'a> {
    Varint(u64),
    Fixed64(u64),
    Bytes(&'a [u8]),
    /// Four bytes; no field of the table has them.
    Fixed32,
}

/// Reads the fields of one message.
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(crate) fn new(message: &'a [u8]) -> Self {
        Self { rest: message }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// The next field; None at the end of the message.
    pub(crate) fn field(&mut self) -> Result<Option<(u32, Wire<'a>)>, WireError> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let tag = self.varint()?;
        let number = u32::try_from(tag >> 3).map_err(|_| WireError::Malformed)?;
        if number == 0 {
            return Err(WireError::Malformed);
        }
        let wire = match tag & 7 {
            0 => Wire::Varint(self.varint()?),
            1 => Wire::Fixed64(u64::from_le_bytes(self.take::<8>()?)),
            2 => {
                let length = usize::try_from(self.varint()?).map_err(|_| WireError::End)?;
                let (bytes, rest) = self.rest.split_at_checked(length).ok_or(WireError::End)?;
                self.rest = rest;
                Wire::Bytes(bytes)
            }
            5 => {
                self.take::<4>()?;
                Wire::Fixed32
            }
            _ => return Err(WireError::Malformed),
        };
        Ok(Some((number, wire)))
    }

    pub(crate) fn varint(&mut self) -> Result<u64, WireError> {
        let mut value = 0u64;
        for shift in (0..70).step_by(7) {
            let (byte, rest) = self.rest.split_first().ok_or(WireError::End)?;
            self.rest = rest;
            value |= u64::from(byte & 0x7f).checked_shl(shift).unwrap_or(0);
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(WireError::Malformed)
    }

    fn take<const N: usize>(&mut self) -> Result<[u8; N], WireError> {
        let (bytes, rest) = self.rest.split_first_chunk::<N>().ok_or(WireError::End)?;
        self.rest = rest;
        Ok(*bytes)
    }
}

pub(crate) fn text(bytes: &[u8]) -> Result<String, WireError> {
    std::str::from_utf8(bytes).map(str::to_owned).map_err(|_| WireError::Text)
}
