//! The command line of an etcd store. Flags are called as kube-apiserver's.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use store::EtcdConfig;

/// Where etcd is, and how to get in.
#[derive(Clone, Debug, Default, Args)]
pub struct EtcdArguments {
    /// etcd members (https://host:port) that keep the tenants instead of the embedded store, separated by commas
    #[arg(long, env = "ROWHOUSE_ETCD_SERVERS", value_delimiter = ',', value_name = "URL")]
    etcd_servers: Vec<String>,
    /// CA of the members' certificates, PEM
    #[arg(long, env = "ROWHOUSE_ETCD_CAFILE", value_name = "FILE", requires = "etcd_servers")]
    etcd_cafile: Option<PathBuf>,
    /// Client certificate for etcd, PEM
    #[arg(long, env = "ROWHOUSE_ETCD_CERTFILE", value_name = "FILE", requires = "etcd_keyfile")]
    etcd_certfile: Option<PathBuf>,
    /// Key of the client certificate, PEM
    #[arg(long, env = "ROWHOUSE_ETCD_KEYFILE", value_name = "FILE", requires = "etcd_certfile")]
    etcd_keyfile: Option<PathBuf>,
    /// What all keys in etcd begin with
    #[arg(long, env = "ROWHOUSE_ETCD_PREFIX", value_name = "PREFIX", default_value = EtcdConfig::PREFIX)]
    etcd_prefix: String,
    /// How old history in etcd may get before it is compacted, as 5m or 90s; 0: somebody else compacts
    #[arg(
        long, env = "ROWHOUSE_ETCD_COMPACTION_INTERVAL", value_name = "DURATION", default_value = "5m",
        value_parser = interval
    )]
    etcd_compaction_interval: Duration,
}

impl EtcdArguments {
    /// The configuration of the store; None when no server is named.
    pub fn config(&self) -> Option<EtcdConfig> {
        let endpoints: Vec<String> = self.etcd_servers.iter().filter(|server| !server.is_empty()).cloned().collect();
        if endpoints.is_empty() {
            return None;
        }
        Some(EtcdConfig {
            endpoints,
            prefix: self.etcd_prefix.clone(),
            ca: self.etcd_cafile.clone(),
            certificate: self.etcd_certfile.clone(),
            key: self.etcd_keyfile.clone(),
            compaction_interval: Some(self.etcd_compaction_interval).filter(|interval| !interval.is_zero()),
        })
    }
}

/// Seconds, minutes or hours.
fn interval(text: &str) -> Result<Duration, String> {
    let digits = text.trim_end_matches(|last: char| last.is_ascii_lowercase());
    let number: u32 = digits.parse().map_err(|_| "a number and s, m or h".to_owned())?;
    let unit = match &text[digits.len()..] {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        "" if number == 0 => 1,
        _ => return Err("the unit is s, m or h".to_owned()),
    };
    Ok(Duration::from_secs(u64::from(number) * unit))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Command {
        #[command(flatten)]
        etcd: EtcdArguments,
    }

    fn parse(arguments: &[&str]) -> Option<Option<EtcdConfig>> {
        Some(Command::try_parse_from([&["x"], arguments].concat()).ok()?.etcd.config())
    }

    #[test]
    fn servers_choose_etcd() {
        assert!(parse(&[]).unwrap().is_none());
        let config = parse(&["--etcd-servers=https://a:1,https://b:2", "--etcd-cafile=ca"]).unwrap().unwrap();
        assert_eq!(config.endpoints, ["https://a:1", "https://b:2"]);
        assert_eq!((config.prefix.as_str(), config.compaction_interval), ("/rowhouse", Some(Duration::from_secs(300))));
        assert!(parse(&["--etcd-servers=x", "--etcd-certfile=a"]).is_none(), "a certificate without its key");
    }

    #[test]
    fn intervals_are_durations() {
        let parsed = ["90s", "5m", "1h", "0", "0s"].map(|text| interval(text).unwrap().as_secs());
        assert_eq!(parsed, [90, 300, 3600, 0, 0]);
        for text in ["", "5", "m", "5d", "-5s", "99999999999s", "5é"] {
            assert!(interval(text).is_err(), "{text}");
        }
    }
}
