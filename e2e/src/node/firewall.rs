//! Rules of netfilter: ours, which keep pods on this machine, and the removal of ours and kube-proxy's.

use super::{Node, machine};
use crate::command::{run, run_with_input};

const CHAIN: &str = "ROWHOUSE-E2E";
const PROGRAMS: [&str; 2] = ["iptables", "ip6tables"];
const TABLES: [&str; 4] = ["filter", "nat", "mangle", "raw"];

/// Lets packets of pods pass between pods and to this machine, and nowhere else. Rules name the network of pods only:
/// other traffic of the machine is left alone.
pub(super) fn wall_in() {
    let (chain, pods, bridge) = (CHAIN, Node::POD_CIDR, machine::BRIDGE);
    let rules = format!(
        "*filter\n:{chain} - [0:0]\n-A {chain} -i {bridge} -o {bridge} -j ACCEPT\n-A {chain} -s {pods} -j DROP\n\
         -A {chain} -d {pods} -j DROP\n-I FORWARD 1 -j {chain}\nCOMMIT\n"
    );
    run_with_input("iptables-restore", &["--noflush"], &rules).ok();
}

/// Whether kube-proxy, or a kubelet, works on this machine already.
pub(super) fn has_kubernetes() -> bool {
    PROGRAMS.iter().any(|program| run(&format!("{program}-save"), &[]).stdout.contains(":KUBE-"))
}

/// Removes our chains, kube-proxy's and the rules that lead to them.
pub(super) fn restore() {
    for program in PROGRAMS {
        for table in TABLES {
            // A kernel without a table has no rules in it.
            let saved = run(&format!("{program}-save"), &["-t", table]).stdout;
            if let Some(script) = removal(table, &saved) {
                let removed = run_with_input(&format!("{program}-restore"), &["--noflush"], &script);
                machine::complain_unless(removed.code == Some(0), &removed.to_string());
            }
        }
    }
}

/// Input for `iptables-restore --noflush` that removes from a saved table what is not the machine's own.
fn removal(table: &str, saved: &str) -> Option<String> {
    let is_ours = |chain: &str| chain.starts_with("KUBE-") || chain == CHAIN;
    let declared = saved.lines().filter_map(|line| line.strip_prefix(':')?.split(' ').next());
    let chains: Vec<&str> = declared.filter(|chain| is_ours(chain)).collect();
    if chains.is_empty() {
        return None;
    }
    let leads_to_ours = |rule: &&str| {
        // Comments may hold any words; none of ours ends in the name of a chain.
        let words: Vec<&str> = rule.split(' ').collect();
        !is_ours(words[0]) && words.windows(2).any(|pair| pair[0] == "-j" && is_ours(pair[1]))
    };
    let jumps: Vec<&str> = saved.lines().filter_map(|line| line.strip_prefix("-A ")).filter(leads_to_ours).collect();
    let mut script = format!("*{table}\n");
    // Declaring a chain empties it; then nothing leads from one to another, and all can go.
    chains.iter().for_each(|chain| script.push_str(&format!(":{chain} - [0:0]\n")));
    jumps.iter().for_each(|rule| script.push_str(&format!("-D {rule}\n")));
    chains.iter().for_each(|chain| script.push_str(&format!("-X {chain}\n")));
    script.push_str("COMMIT\n");
    Some(script)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_ours_is_removed() {
        let saved = "# Generated\n*nat\n:PREROUTING ACCEPT [0:0]\n:DOCKER - [0:0]\n:KUBE-SERVICES - [0:0]\n\
                     :KUBE-SVC-A - [0:0]\n-A PREROUTING -m comment --comment \"kubernetes -j x\" -j KUBE-SERVICES\n\
                     -A PREROUTING -j DOCKER\n-A KUBE-SERVICES -d 10.96.0.1/32 -j KUBE-SVC-A\nCOMMIT\n";
        let expected = "*nat\n:KUBE-SERVICES - [0:0]\n:KUBE-SVC-A - [0:0]\n\
                        -D PREROUTING -m comment --comment \"kubernetes -j x\" -j KUBE-SERVICES\n\
                        -X KUBE-SERVICES\n-X KUBE-SVC-A\nCOMMIT\n";
        assert_eq!(removal("nat", saved).as_deref(), Some(expected));
        assert_eq!(removal("nat", "*nat\n:PREROUTING ACCEPT [0:0]\n:DOCKER - [0:0]\nCOMMIT\n"), None);
    }
}
