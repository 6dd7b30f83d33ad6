//! The part of the wire format a cluster's DNS needs: one question in, a few kinds of records out (RFC 1035, RFC 2782,
//! EDNS(0) of RFC 6891).

use std::net::{Ipv4Addr, Ipv6Addr};

/// Longest query taken: a name of 255 bytes and EDNS options.
pub(super) const MAX_QUERY: usize = 1232;
/// Largest answer over UDP, whatever a client offers: fits every path without fragments.
const MAX_UDP: usize = 1232;
/// Largest answer over UDP to clients without EDNS.
const PLAIN_UDP: usize = 512;
/// Largest answer over TCP.
pub(super) const MAX_TCP: usize = 65_535;
/// How long a record may be kept, in seconds; also for names that are not there (CoreDNS: `ttl 5`).
pub(super) const TTL: u32 = 5;
const HEADER: usize = 12;

/// Record types and the class (IANA).
pub(super) const A: u16 = 1;
pub(super) const CNAME: u16 = 5;
pub(super) const SOA: u16 = 6;
pub(super) const PTR: u16 = 12;
pub(super) const TXT: u16 = 16;
pub(super) const AAAA: u16 = 28;
pub(super) const SRV: u16 = 33;
const OPT: u16 = 41;
pub(super) const ANY: u16 = 255;
const INTERNET: u16 = 1;

/// How an answer ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Code {
    /// Fine, perhaps without records.
    NoError = 0,
    /// The query cannot be read.
    FormErr = 1,
    /// We could not find out.
    ServFail = 2,
    /// There is no such name.
    NxDomain = 3,
    /// Not a query.
    NotImp = 4,
}

/// A question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Query {
    /// Chosen by the client.
    pub(super) id: u16,
    /// The name in lower case, without a dot at the end; `?` for bytes no name of Kubernetes has.
    pub(super) name: String,
    /// Type of the records wanted.
    pub(super) kind: u16,
    recursion: bool,
    question: Vec<u8>,
    edns: Option<u16>,
}

/// Why there is no [`Query`]: with the id, when something can be answered at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Unreadable(pub(super) Option<(u16, Code)>);

/// What a record says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Data {
    /// An address.
    A(Ipv4Addr),
    /// An address.
    Aaaa(Ipv6Addr),
    /// Another name for the same.
    Cname(String),
    /// The name of an address.
    Ptr(String),
    /// A port of a service: port, host.
    Srv(u16, String),
    /// A text.
    Txt(String),
}

/// A record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Record {
    /// Whose.
    pub(super) name: String,
    /// What.
    pub(super) data: Data,
    /// Seconds it may be kept.
    pub(super) ttl: u32,
}

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Reply {
    /// How it ended.
    pub(super) code: Code,
    /// The records.
    pub(super) answers: Vec<Record>,
    /// The zone whose authority vouches for an answer without records.
    pub(super) zone: Option<&'static str>,
}

fn short(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes([*bytes.get(at)?, *bytes.get(at + 1)?]))
}

/// Reads a query. Exactly one question of class IN is taken.
pub(super) fn read(bytes: &[u8]) -> Result<Query, Unreadable> {
    let id = short(bytes, 0).ok_or(Unreadable(None))?;
    let flags = short(bytes, 2).ok_or(Unreadable(None))?;
    if flags & 0x8000 != 0 {
        // An answer: to answer it would be the beginning of a loop.
        return Err(Unreadable(None));
    }
    if flags & 0x7800 != 0 {
        return Err(Unreadable(Some((id, Code::NotImp))));
    }
    let malformed = Unreadable(Some((id, Code::FormErr)));
    if bytes.len() > MAX_QUERY || short(bytes, 4) != Some(1) {
        return Err(malformed);
    }
    let (name, end) = name(bytes, HEADER, Pointers::Refuse).ok_or(malformed)?;
    let (kind, class) = (short(bytes, end).ok_or(malformed)?, short(bytes, end + 2).ok_or(malformed)?);
    if class != INTERNET {
        return Err(Unreadable(Some((id, Code::NotImp))));
    }
    let question = bytes.get(HEADER..end + 4).ok_or(malformed)?.to_vec();
    let alone = short(bytes, 6) == Some(0) && short(bytes, 8) == Some(0) && short(bytes, 10) != Some(0);
    let is_opt = alone && bytes.get(end + 4) == Some(&0) && short(bytes, end + 5) == Some(OPT);
    let edns = if is_opt { short(bytes, end + 7) } else { None };
    Ok(Query { id, name, kind, recursion: flags & 0x0100 != 0, question, edns })
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Pointers {
    Follow,
    Refuse,
}

/// The name at a place, and where it ends there.
fn name(bytes: &[u8], start: usize, pointers: Pointers) -> Option<(String, usize)> {
    let (mut text, mut at, mut end) = (String::new(), start, None);
    loop {
        let length = usize::from(*bytes.get(at)?);
        if length & 0xc0 == 0xc0 && pointers == Pointers::Follow {
            let target = usize::from(short(bytes, at)? & 0x3fff);
            end.get_or_insert(at + 2);
            // Only backwards: no loops.
            if target >= at {
                return None;
            }
            at = target;
            continue;
        }
        if length > 63 {
            return None;
        }
        if length == 0 {
            return Some((text, end.unwrap_or(at + 1)));
        }
        let label = bytes.get(at + 1..at + 1 + length)?;
        if !text.is_empty() {
            text.push('.');
        }
        text.extend(label.iter().map(|byte| match byte {
            b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' => char::from(*byte),
            b'A'..=b'Z' => char::from(byte.to_ascii_lowercase()),
            _ => '?',
        }));
        if text.len() > 253 {
            return None;
        }
        at += 1 + length;
    }
}

impl Query {
    /// The same question about another name, for a resolver.
    pub(super) fn about(&self, other: &str, id: u16) -> Option<Vec<u8>> {
        let mut out = Vec::from([0u8; HEADER]);
        out[..2].copy_from_slice(&id.to_be_bytes());
        out[2] = 1; // Recursion desired.
        out[5] = 1; // One question.
        put_name(&mut out, other)?;
        out.extend(self.kind.to_be_bytes());
        out.extend(INTERNET.to_be_bytes());
        Some(out)
    }

    /// Largest answer this client takes over UDP.
    pub(super) fn udp_limit(&self) -> usize {
        self.edns.map_or(PLAIN_UDP, |size| usize::from(size).clamp(PLAIN_UDP, MAX_UDP))
    }

    /// The answer on the wire, of at most `limit` bytes: what does not fit is left out, and the client told so.
    pub(super) fn write(&self, reply: &Reply, limit: usize) -> Vec<u8> {
        let mut out = Vec::with_capacity(512);
        out.extend(self.id.to_be_bytes());
        out.extend([0u8; HEADER - 2]);
        out.extend_from_slice(&self.question);
        let opt = if self.edns.is_some() { 11 } else { 0 };
        let (mut answers, mut authorities, mut cut) = (0u16, 0u16, false);
        for record in &reply.answers {
            let before = out.len();
            if self.put_record(&mut out, record).is_none() || out.len() + opt > limit {
                out.truncate(before);
                cut = true;
                break;
            }
            answers += 1;
        }
        if let Some(zone) = reply.zone.filter(|_| reply.answers.is_empty()) {
            let before = out.len();
            if put_authority(&mut out, zone).is_some() && out.len() + opt <= limit {
                authorities = 1;
            } else {
                out.truncate(before);
            }
        }
        if self.edns.is_some() {
            let size = u16::try_from(MAX_UDP).unwrap_or(u16::MAX).to_be_bytes();
            out.extend([0, 0, 41, size[0], size[1], 0, 0, 0, 0, 0, 0]);
        }
        let mut flags = 0x8000 | 0x0080 | reply.code as u16;
        flags |= if self.recursion { 0x0100 } else { 0 };
        flags |= if cut { 0x0200 } else { 0 };
        flags |= if reply.zone.is_some() { 0x0400 } else { 0 };
        let counts = [flags, 1, answers, authorities, u16::from(self.edns.is_some())];
        for (place, count) in out[2..HEADER].chunks_exact_mut(2).zip(counts) {
            place.copy_from_slice(&count.to_be_bytes());
        }
        out
    }

    fn put_record(&self, out: &mut Vec<u8>, record: &Record) -> Option<()> {
        if record.name == self.name {
            // The question's own spelling.
            out.extend([0xc0, 0x0c]);
        } else {
            put_name(out, &record.name)?;
        }
        let kind = match record.data {
            Data::A(_) => A,
            Data::Aaaa(_) => AAAA,
            Data::Cname(_) => CNAME,
            Data::Ptr(_) => PTR,
            Data::Srv(..) => SRV,
            Data::Txt(_) => TXT,
        };
        put_head(out, kind, record.ttl);
        with_length(out, |out| match &record.data {
            Data::A(address) => {
                out.extend(address.octets());
                Some(())
            }
            Data::Aaaa(address) => {
                out.extend(address.octets());
                Some(())
            }
            Data::Cname(name) | Data::Ptr(name) => put_name(out, name),
            Data::Srv(port, host) => {
                // Priority and weight as CoreDNS gives them to a single target.
                out.extend([0, 0, 0, 100]);
                out.extend(port.to_be_bytes());
                put_name(out, host)
            }
            Data::Txt(text) => {
                out.push(u8::try_from(text.len()).ok()?);
                out.extend(text.as_bytes());
                Some(())
            }
        })
    }
}

/// A header that says what is wrong, for queries that cannot be read.
pub(super) fn complain(id: u16, code: Code) -> Vec<u8> {
    let mut out = Vec::from([0u8; HEADER]);
    out[..2].copy_from_slice(&id.to_be_bytes());
    out[2..4].copy_from_slice(&(0x8000 | code as u16).to_be_bytes());
    out
}

/// Records of addresses and aliases in a resolver's answer to the query `sent`. None when it is not the answer.
pub(super) fn addresses(sent: &[u8], answer: &[u8]) -> Option<(u16, Vec<Record>)> {
    if !answers(sent, answer) {
        return None;
    }
    let code = short(answer, 2)? & 0x000f;
    let (_, end) = name(answer, HEADER, Pointers::Refuse)?;
    let mut at = end + 4;
    let mut records = Vec::new();
    for _ in 0..short(answer, 6)? {
        let (owner, end) = name(answer, at, Pointers::Follow)?;
        let (kind, length) = (short(answer, end)?, usize::from(short(answer, end + 8)?));
        let ttl = u32::from_be_bytes(answer.get(end + 4..end + 8)?.try_into().ok()?);
        let data = answer.get(end + 10..end + 10 + length)?;
        let data = match kind {
            A => <[u8; 4]>::try_from(data).ok().map(|bytes| Data::A(bytes.into())),
            AAAA => <[u8; 16]>::try_from(data).ok().map(|bytes| Data::Aaaa(bytes.into())),
            CNAME => name(answer, end + 10, Pointers::Follow).map(|(target, _)| Data::Cname(target)),
            _ => None,
        };
        records.extend(data.map(|data| Record { name: owner, data, ttl }));
        at = end + 10 + length;
    }
    Some((code, records))
}

/// Whether a message is the answer to the query `sent`: same id, same question.
pub(super) fn answers(sent: &[u8], answer: &[u8]) -> bool {
    let is_answer = short(answer, 2).is_some_and(|flags| flags & 0x8000 != 0) && short(answer, 4) == Some(1);
    let question = |bytes: &[u8]| {
        let (name, end) = name(bytes, HEADER, Pointers::Refuse)?;
        Some((name, short(bytes, end)?, short(bytes, end + 2)?))
    };
    is_answer && short(sent, 0) == short(answer, 0) && question(sent).is_some() && question(sent) == question(answer)
}

fn put_name(out: &mut Vec<u8>, name: &str) -> Option<()> {
    if name.len() > 253 {
        return None;
    }
    for label in name.split('.').filter(|label| !label.is_empty()) {
        out.push(u8::try_from(label.len()).ok().filter(|length| *length < 64)?);
        out.extend(label.as_bytes());
    }
    out.push(0);
    Some(())
}

fn put_head(out: &mut Vec<u8>, kind: u16, ttl: u32) {
    out.extend(kind.to_be_bytes());
    out.extend(INTERNET.to_be_bytes());
    out.extend(ttl.to_be_bytes());
}

fn with_length(out: &mut Vec<u8>, put: impl FnOnce(&mut Vec<u8>) -> Option<()>) -> Option<()> {
    let at = out.len();
    out.extend([0, 0]);
    put(out)?;
    let length = u16::try_from(out.len() - at - 2).ok()?;
    out[at..at + 2].copy_from_slice(&length.to_be_bytes());
    Some(())
}

/// The SOA record of a zone: says how long absence may be remembered.
fn put_authority(out: &mut Vec<u8>, zone: &str) -> Option<()> {
    put_name(out, zone)?;
    put_head(out, SOA, TTL);
    with_length(out, |out| {
        put_name(out, &format!("ns.dns.{zone}"))?;
        put_name(out, &format!("hostmaster.{zone}"))?;
        for number in [1u32, 7200, 1800, 86_400, TTL] {
            out.extend(number.to_be_bytes());
        }
        Some(())
    })
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A query on the wire.
    pub(crate) fn query(name: &str, kind: u16, edns: Option<u16>) -> Vec<u8> {
        let mut out = vec![0xab, 0xcd, 1, 0, 0, 1, 0, 0, 0, 0, 0, u8::from(edns.is_some())];
        put_name(&mut out, name).unwrap();
        out.extend(kind.to_be_bytes());
        out.extend(INTERNET.to_be_bytes());
        if let Some(size) = edns {
            let size = size.to_be_bytes();
            out.extend([0, 0, 41, size[0], size[1], 0, 0, 0, 0, 0, 0]);
        }
        out
    }

    #[test]
    fn questions_are_read_without_regard_to_case() {
        let read_back = read(&query("Web.Shop.svc.cluster.LOCAL", AAAA, Some(4096))).unwrap();
        assert_eq!((read_back.name.as_str(), read_back.kind), ("web.shop.svc.cluster.local", AAAA));
        assert_eq!((read_back.id, read_back.udp_limit()), (0xabcd, MAX_UDP));
        assert_eq!(read(&query("a", A, None)).unwrap().udp_limit(), 512);
    }

    #[test]
    fn what_is_no_query_is_not_taken() {
        let good = query("a.b", A, None);
        let with = |at: usize, byte: u8| {
            let mut bytes = good.clone();
            bytes[at] = byte;
            bytes
        };
        let code = |bytes: &[u8]| read(bytes).unwrap_err().0.map(|(_, code)| code);
        assert_eq!(code(&good[..3]), None, "too short to answer");
        assert_eq!(code(&with(2, 0x81)), None, "an answer");
        assert_eq!(code(&with(2, 0x28)), Some(Code::NotImp), "an update");
        assert_eq!(code(&with(5, 2)), Some(Code::FormErr), "two questions");
        assert_eq!(code(&with(12, 0xc0)), Some(Code::FormErr), "a pointer");
        assert_eq!(code(&with(12, 200)), Some(Code::FormErr), "past the end");
        assert_eq!(code(&good[..good.len() - 1]), Some(Code::FormErr));
        assert_eq!(code(&vec![0; MAX_QUERY + 1]), Some(Code::FormErr));
        // Any prefix, and any byte changed, is answered or not, but never panics.
        for at in 0..good.len() {
            let _ = read(&good[..at]);
            for byte in [0, 63, 64, 192, 255] {
                let _ = read(&with(at, byte));
            }
        }
    }

    #[test]
    fn answers_come_back_as_they_were_written() {
        let sent = query("alias.example.com", A, Some(1232));
        let asked = read(&sent).unwrap();
        let record = |name: &str, data| Record { name: name.into(), data, ttl: 30 };
        let answers = vec![
            record("alias.example.com", Data::Cname("real.example.com".into())),
            record("real.example.com", Data::A([192, 0, 2, 1].into())),
        ];
        let reply = Reply { code: Code::NoError, answers: answers.clone(), zone: None };
        let bytes = asked.write(&reply, asked.udp_limit());
        assert_eq!(addresses(&sent, &bytes), Some((0, answers)));
        assert!(super::answers(&sent, &bytes));
        assert!(!super::answers(&query("other", A, None), &bytes));
        assert!(!super::answers(&sent, &sent));
    }

    #[test]
    fn what_does_not_fit_is_left_out_and_said() {
        let asked = read(&query("a", A, None)).unwrap();
        let answers =
            (0..100).map(|last| Record { name: "a".into(), data: Data::A([10, 0, 0, last].into()), ttl: 5 }).collect();
        let reply = Reply { code: Code::NoError, answers, zone: Some("cluster.local") };
        let bytes = asked.write(&reply, asked.udp_limit());
        assert!(bytes.len() <= 512 && bytes[2] & 0x02 != 0, "{}", bytes.len());
        let whole = asked.write(&reply, MAX_TCP);
        assert_eq!(short(&whole, 6), Some(100));
        assert_eq!(whole[2] & 0x02, 0);
    }

    #[test]
    fn pointers_lead_backwards_only() {
        let mut loops = query("a", A, None);
        loops[2] = 0x81;
        loops[7] = 1;
        let at = loops.len();
        loops.extend([0xc0, u8::try_from(at).unwrap(), 0, 1, 0, 1, 0, 0, 0, 5, 0, 4, 1, 2, 3, 4]);
        assert_eq!(addresses(&query("a", A, None), &loops), None);
    }
}
