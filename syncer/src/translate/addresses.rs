//! Addresses and blocks of addresses a tenant may name: where the operator's wall leaves a gap, and where nobody goes.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Addresses inside of clusters and clouds: everything a default-deny tenant does not reach. Link-local includes the
/// metadata services of clouds.
pub const INSIDE_V4: &[&str] = &["10.0.0.0/8", "100.64.0.0/10", "169.254.0.0/16", "172.16.0.0/12", "192.168.0.0/16"];
/// The same for IPv6: unique local and link-local addresses, and IPv4 addresses translated to IPv6 ones. Mapped ones
/// (`::ffff:0:0/96`) are not written in blocks: Kubernetes takes them for IPv4 and refuses them.
pub const INSIDE_V6: &[&str] = &["64:ff9b::/96", "fc00::/7", "fe80::/10"];

/// A block of addresses, as in `10.0.0.0/8`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Block {
    bits: u128,
    prefix: u32,
    width: u32,
}

impl Block {
    /// Reads a block; None for what is not one, and for IPv4 in the dress of IPv6, which hosts do not take.
    pub fn parse(text: &str) -> Option<Self> {
        let (address, prefix) = text.split_once('/')?;
        let prefix: u32 = prefix.parse().ok()?;
        let address: IpAddr = address.parse().ok()?;
        let (bits, width) = bits(address);
        let is_plain = address.to_canonical() == address;
        (prefix <= width && is_plain).then(|| Self { bits: bits & mask(prefix, width), prefix, width })
    }

    /// Whether it holds all of another block.
    pub fn covers(&self, other: &Block) -> bool {
        self.width == other.width
            && self.prefix <= other.prefix
            && other.bits & mask(self.prefix, self.width) == self.bits
    }

    /// Whether it holds an address.
    pub fn contains(&self, address: IpAddr) -> bool {
        let (bits, width) = bits(address);
        self.width == width && bits & mask(self.prefix, width) == self.bits
    }
}

fn bits(address: IpAddr) -> (u128, u32) {
    match address {
        IpAddr::V4(address) => (u128::from(address.to_bits()), 32),
        IpAddr::V6(address) => (address.to_bits(), 128),
    }
}

fn mask(prefix: u32, width: u32) -> u128 {
    let all = if width == 128 { u128::MAX } else { (1 << width) - 1 };
    if prefix == 0 { 0 } else { all & (all << (width - prefix)) }
}

/// The blocks inside.
pub fn inside() -> impl Iterator<Item = (&'static str, Block)> {
    INSIDE_V4.iter().chain(INSIDE_V6).filter_map(|text| Some((*text, Block::parse(text)?)))
}

/// What is left of a block outside of the private blocks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outside {
    /// All of it.
    Whole,
    /// All but these.
    Except(Vec<&'static str>),
    /// Nothing.
    Nothing,
}

/// Cuts the private blocks out of a block.
pub fn outside(block: &Block) -> Outside {
    if inside().any(|(_, private)| private.covers(block)) {
        return Outside::Nothing;
    }
    let cut: Vec<&str> = inside().filter(|(_, private)| block.covers(private)).map(|(text, _)| text).collect();
    if cut.is_empty() { Outside::Whole } else { Outside::Except(cut) }
}

/// Why traffic must never be led to an address, whoever asks: it means another machine than the tenant thinks.
pub fn never(address: IpAddr) -> Option<&'static str> {
    let address = address.to_canonical();
    let (loopback, local) = match address {
        IpAddr::V4(address) => (address.is_loopback(), address.is_link_local() || address == Ipv4Addr::BROADCAST),
        IpAddr::V6(address) => (address == Ipv6Addr::LOCALHOST, address.is_unicast_link_local()),
    };
    if address.is_unspecified() {
        Some("is no address of a machine")
    } else if loopback {
        Some("is a loopback address: it would be the node's own")
    } else if local {
        Some("is a link-local address: such are the metadata services of clouds")
    } else if address.is_multicast() {
        Some("is a multicast address")
    } else {
        None
    }
}

/// Whether an address is private: inside of clusters and clouds.
pub fn is_inside(address: IpAddr) -> bool {
    let address = address.to_canonical();
    inside().any(|(_, block)| block.contains(address))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_cut() {
        let cut = |text: &str| outside(&Block::parse(text).unwrap());
        assert_eq!(cut("8.8.8.0/24"), Outside::Whole);
        assert_eq!(cut("10.1.0.0/16"), Outside::Nothing);
        assert_eq!(cut("10.0.0.0/8"), Outside::Nothing);
        assert_eq!(cut("0.0.0.0/0"), Outside::Except(INSIDE_V4.to_vec()));
        assert_eq!(cut("8.0.0.0/5"), Outside::Except(vec!["10.0.0.0/8"]));
        assert_eq!(cut("169.254.169.254/32"), Outside::Nothing);
        assert_eq!(cut("::/0"), Outside::Except(INSIDE_V6.to_vec()));
        assert_eq!(cut("2001:db8::/32"), Outside::Whole);
        // Host bits do not count.
        assert_eq!(cut("10.99.1.2/7"), Outside::Except(vec!["10.0.0.0/8"]));
        for bad in ["10.0.0.0", "10.0.0.0/33", "::/129", "x/8", "10.0.0.0/-1", "", "::ffff:10.0.0.0/104"] {
            assert_eq!(Block::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn every_private_block_can_be_read() {
        assert_eq!(inside().count(), INSIDE_V4.len() + INSIDE_V6.len());
    }

    #[test]
    fn addresses_are_told_apart() {
        for text in [
            "127.0.0.1",
            "::1",
            "169.254.169.254",
            "fe80::1",
            "0.0.0.0",
            "::",
            "224.0.0.1",
            "ff02::1",
            "255.255.255.255",
            "::ffff:127.0.0.1",
        ] {
            assert!(never(text.parse().unwrap()).is_some(), "{text}");
        }
        for (text, private) in [
            ("10.1.2.3", true),
            ("::ffff:10.1.2.3", true),
            ("100.64.0.1", true),
            ("fd00::1", true),
            ("8.8.8.8", false),
            ("2001:db8::1", false),
        ] {
            let address: IpAddr = text.parse().unwrap();
            assert_eq!((never(address), is_inside(address)), (None, private), "{text}");
        }
    }
}
