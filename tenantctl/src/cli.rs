//! What can be typed.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use controllers::Which;
use tenancy::TenantName;

const EXIT_CODES: &str = "\
Exit codes:
  0    done
  1    failed; the message says why and what to do next
  2    the command line is wrong
  3    there is no such tenant
  4    the tenant failed; the message carries its condition
  5    gave up waiting";

/// Kubernetes clusters for tenants, at the price of a namespace.
#[derive(Debug, Parser)]
#[command(name = "tenantctl", version, after_help = EXIT_CODES)]
pub struct Cli {
    #[command(flatten)]
    pub(crate) host: HostOptions,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Which cluster is the host; the rules are kubectl's.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct HostOptions {
    /// Kubeconfig of the host [default: $KUBECONFIG, then ~/.kube/config, then in-cluster]
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) kubeconfig: Option<PathBuf>,
    /// Context of the kubeconfig [default: its current context]
    #[arg(long, global = true, value_name = "NAME")]
    pub(crate) context: Option<String>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run the control plane in the foreground, against a host (--kubeconfig, --context) or a lab
    Up(Box<Up>),
    /// Create a tenant and wait until it serves
    Create(Create),
    /// List tenants
    #[command(visible_alias = "ls")]
    List(List),
    /// Show one tenant and its conditions
    Get(Get),
    /// Print a tenant's admin kubeconfig, or merge it into yours
    Kubeconfig(Kubeconfig),
    /// Delete a tenant, everything in it and everything of it on the host
    Delete(Delete),
    /// Show a lab, a tenant and an application, then clean up (on a terminal: after Ctrl-C)
    Demo,
    /// Show the version of this program and of the host
    Version(Version),
    /// Print a completion script
    Completion {
        /// bash, elvish, fish, powershell or zsh
        shell: clap_complete::Shell,
    },
}

/// How results are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// JSON.
    Json,
    /// YAML.
    Yaml,
}

#[derive(Debug, Args)]
pub(crate) struct Up {
    /// Where tenants and keys are kept [default: ${XDG_DATA_HOME:-~/.local/share}/rowhouse]
    #[arg(long, value_name = "DIR")]
    pub(crate) data_dir: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) etcd: apiproxy::config::EtcdArguments,
    /// Address to serve tenants on, repeatable; the first one is written into kubeconfigs [default: 127.0.0.1:8443]
    #[arg(long, value_name = "ADDR:PORT")]
    pub(crate) listen: Vec<SocketAddr>,
    /// Where pods of the host reach the tenants' APIs; without it they cannot, and a condition says so
    #[arg(long, value_name = "IP")]
    pub(crate) advertise_address: Option<IpAddr>,
    /// Resolver for names outside of the tenants' clusters, repeatable [default: those of /etc/resolv.conf]
    #[arg(long, value_name = "ADDR:PORT")]
    pub(crate) resolver: Vec<SocketAddr>,
    /// Controllers to run, by kube-controller-manager's names: 'foo' runs foo, '-foo' does not, '*' all that are not named
    #[arg(long, value_name = "LIST", default_value = "*", allow_hyphen_values = true, value_parser = controllers)]
    pub(crate) controllers: BTreeSet<Which>,
}

fn controllers(list: &str) -> Result<BTreeSet<Which>, controllers::Unknown> {
    controllers::select(&list.split(',').collect::<Vec<_>>())
}

#[derive(Debug, Args)]
pub(crate) struct Create {
    /// 1-54 characters: lower case letters, digits and '-'
    #[arg(value_parser = TenantName::parse, required_unless_present = "filename")]
    pub(crate) name: Option<TenantName>,
    /// Create or change the Tenants of a YAML or JSON file; '-' reads standard input
    #[arg(short, long, value_name = "FILE", conflicts_with_all = ["name", "ttl", "quota", "pod_security"])]
    pub(crate) filename: Option<PathBuf>,
    /// Delete the tenant when it is this old, as 2h or 1h30m
    #[arg(long, value_name = "DURATION", value_parser = ttl)]
    pub(crate) ttl: Option<String>,
    /// Hard limits of its pods together, as pods=10,requests.cpu=4
    #[arg(long, value_name = "NAME=AMOUNT,...", value_delimiter = ',', value_parser = limit)]
    pub(crate) quota: Vec<(String, String)>,
    /// Pod security level of its pods: privileged, baseline or restricted [default: baseline]
    #[arg(long, value_name = "LEVEL", value_parser = ["privileged", "baseline", "restricted"])]
    pub(crate) pod_security: Option<String>,
    /// Return as soon as the host has accepted the tenant
    #[arg(long)]
    pub(crate) no_wait: bool,
    /// How long to wait, as 90s or 5m
    #[arg(long, value_name = "DURATION", default_value = "2m", value_parser = duration)]
    pub(crate) timeout: Duration,
    /// Print the tenant
    #[arg(short, long, value_enum, value_name = "FORMAT")]
    pub(crate) output: Option<Format>,
}

#[derive(Debug, Args)]
pub(crate) struct List {
    /// Print objects instead of a table
    #[arg(short, long, value_enum, value_name = "FORMAT")]
    pub(crate) output: Option<Format>,
}

#[derive(Debug, Args)]
pub(crate) struct Get {
    /// Name of the tenant
    #[arg(value_parser = TenantName::parse)]
    pub(crate) name: TenantName,
    /// Print the object instead of a summary
    #[arg(short, long, value_enum, value_name = "FORMAT")]
    pub(crate) output: Option<Format>,
}

#[derive(Debug, Args)]
pub(crate) struct Kubeconfig {
    /// Name of the tenant
    #[arg(value_parser = TenantName::parse)]
    pub(crate) name: TenantName,
    /// Add it as context `rowhouse-NAME` to the first file of $KUBECONFIG, or to ~/.kube/config
    #[arg(long)]
    pub(crate) merge: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Delete {
    /// Name of the tenant
    #[arg(value_parser = TenantName::parse)]
    pub(crate) name: TenantName,
    /// Return as soon as the host has accepted the deletion
    #[arg(long)]
    pub(crate) no_wait: bool,
    /// How long to wait, as 90s or 5m
    #[arg(long, value_name = "DURATION", default_value = "5m", value_parser = duration)]
    pub(crate) timeout: Duration,
}

#[derive(Debug, Args)]
pub(crate) struct Version {
    /// Print an object instead of lines
    #[arg(short, long, value_enum, value_name = "FORMAT")]
    pub(crate) output: Option<Format>,
}

fn ttl(text: &str) -> Result<String, String> {
    match tenancy::units::duration(text) {
        Some(_) => Ok(text.to_owned()),
        None => Err("write it as 45s, 90m, 2h or 1h30m".to_owned()),
    }
}

fn limit(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, amount)) if !name.is_empty() && !amount.is_empty() => Ok((name.to_owned(), amount.to_owned())),
        _ => Err("write it as pods=10".to_owned()),
    }
}

/// A duration as `90s`, `5m` or `1h`; at most a day.
fn duration(text: &str) -> Result<Duration, String> {
    let units = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(units);
    let seconds = match unit {
        "s" | "" => 1,
        "m" => 60,
        "h" => 3600,
        _ => return Err("write it as 90s, 5m or 1h".to_owned()),
    };
    let number: u64 = number.parse().map_err(|_| "write it as 90s, 5m or 1h".to_owned())?;
    let total = number.checked_mul(seconds).filter(|total| (1..=86_400).contains(total));
    total.map(Duration::from_secs).ok_or_else(|| "between 1s and 24h".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn durations() {
        for (text, seconds) in [("90s", 90), ("5m", 300), ("1h", 3600), ("7", 7), ("24h", 86_400)] {
            assert_eq!(duration(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        for text in ["", "s", "0s", "25h", "1d", "-1s", "1.5m", "99999999999999999999s", "9999999999999999999h"] {
            assert!(duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn wrong_tenant_names_are_refused_while_parsing() {
        for name in ["Acme", "a_b", "-a", "", &"a".repeat(55)] {
            assert!(Cli::try_parse_from(["tenantctl", "create", "--", name]).is_err(), "{name}");
        }
        assert!(Cli::try_parse_from(["tenantctl", "create", "acme", "--context", "prod"]).is_ok());
    }

    #[test]
    fn tenants_are_made_from_words_or_from_a_file() {
        let create = |words: &str| Cli::try_parse_from(format!("tenantctl create {words}").split_whitespace());
        let good =
            create("acme --ttl 2h --quota pods=10,requests.cpu=4 --quota count/jobs=1 --pod-security restricted");
        let Command::Create(good) = good.unwrap().command else { panic!("another command") };
        assert_eq!(good.quota.len(), 3);
        assert_eq!(good.quota[1], ("requests.cpu".to_owned(), "4".to_owned()));
        assert!(create("-f tenants.yaml").is_ok() && create("-f -").is_ok());
        for bad in ["", "acme -f x", "-f x --ttl 2h", "acme --ttl 2d", "acme --quota pods", "acme --pod-security none"]
        {
            assert!(create(bad).is_err(), "{bad}");
        }
    }
}
