//! Folders of AWS's own answers, read and judged. Needs the sample folder: set `BARTIZAN_SAMPLES`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stderr)]

use std::path::{Path, PathBuf};

use bartizan::formats::aws_cli::{folder, read};
use bartizan::model::estate::Estate;
use bartizan::network::build::build;
use bartizan::network::exposure::{NothingKnown, Source, exposures};
use bartizan::network::net::Net;
use bartizan::network::reach::{Verdict, can, resolve, service};

fn samples(test: &str) -> Option<PathBuf> {
    let found = std::env::var_os("BARTIZAN_SAMPLES").map(|s| Path::new(&s).join("network"));
    if found.is_none() {
        eprintln!("{test}: skipped, BARTIZAN_SAMPLES is not set");
    }
    found
}

fn walk(at: &Path, base: &Path, out: &mut Vec<(String, Vec<u8>)>) {
    let mut all: Vec<PathBuf> = std::fs::read_dir(at).unwrap().map(|f| f.unwrap().path()).collect();
    all.sort();
    for path in all {
        if path.is_dir() {
            walk(&path, base, out);
        } else {
            out.push((path.strip_prefix(base).unwrap().to_string_lossy().into_owned(), std::fs::read(&path).unwrap()));
        }
    }
}

fn estate(root: &Path, name: &str) -> (Estate, Vec<String>) {
    let mut files = Vec::new();
    walk(&root.join(name), root, &mut files);
    folder(files.iter().map(|(n, b)| (n.as_str(), b.as_slice())))
}

fn ask(net: &Net, from: &str, to: &str, what: &str) -> Verdict {
    let (from, to) = (resolve(net, from).unwrap(), resolve(net, to).unwrap());
    let answer = can(net, &from, &to, &service(what).unwrap());
    answer.verdict
}

#[test]
fn two_vpcs_on_a_transit_gateway_reach_each_other() {
    let Some(root) = samples("two_vpcs_on_a_transit_gateway_reach_each_other") else { return };
    let (estate, _) = estate(&root, "transit-gateway");
    let net = build(&estate);
    assert_eq!(net.vpcs.iter().filter(|v| v.seen).count(), 2);
    assert_eq!(net.transit_gateways.len(), 1);
    let of = |id: &str| net.interfaces.iter().find(|i| net.vpcs[i.vpc].id == id).map(|i| i.id.clone()).unwrap();
    let (a, b) = (of("vpc-0404e08ceddf7f650"), of("vpc-00a31ce9d0c06675c"));
    assert_eq!((ask(&net, &a, &b, "22"), ask(&net, &b, &a, "22")), (Verdict::Yes, Verdict::Yes));
    assert_eq!(ask(&net, &a, &b, "3306"), Verdict::No);
}

#[test]
fn peerings_with_overlapping_cidrs_lead_to_the_routed_one_only() {
    let Some(root) = samples("peerings_with_overlapping_cidrs_lead_to_the_routed_one_only") else { return };
    let (estate, _) = estate(&root, "vpc-peering");
    let net = build(&estate);
    assert_eq!(net.peerings.len(), 2);
    let of = |id: &str| net.interfaces.iter().find(|i| net.vpcs[i.vpc].id == id).map(|i| i.id.clone());
    let a = of("vpc-0404e08ceddf7f650").unwrap();
    for other in ["vpc-09095dbf2886404ee", "vpc-00a31ce9d0c06675c"] {
        if let Some(b) = of(other) {
            assert_eq!((ask(&net, &a, &b, "22"), ask(&net, &b, &a, "22")), (Verdict::Yes, Verdict::Yes), "{other}");
        }
    }
}

#[test]
fn a_cloudmapper_folder_is_one_account_and_region() {
    let Some(root) = samples("a_cloudmapper_folder_is_one_account_and_region") else { return };
    let (estate, notes) = estate(&root, "demo-account");
    assert_eq!(estate.regions.len(), 1, "{:?}", estate.regions.iter().map(|r| (&r.account, &r.region)).collect::<Vec<_>>());
    assert_eq!(estate.regions[0].region, "us-east-1");
    let net = build(&estate);
    assert!(!net.interfaces.is_empty() && !net.groups.is_empty());
    let found = exposures(&net, &[Source::internet()], &NothingKnown);
    // The folder has neither route tables nor ACLs, so nothing is certain, and nothing may be called closed.
    assert!(!found.is_empty());
    assert!(found.iter().all(|e| e.verdict == Verdict::Unknown));
    assert!(notes.iter().all(|n| n.contains("nothing in it") || n.contains("could not read")), "{notes:#?}");
    // The answer about interfaces has one of them; the others are known from their instances.
    let bastion = resolve(&net, "Bastion").unwrap();
    assert_eq!(can(&net, &resolve(&net, "1.1.1.1").unwrap(), &bastion, &service("22").unwrap()).verdict, Verdict::Unknown);
    assert!(found.iter().any(|e| net.name_of(e.resource(&net)) == "Bastion" && e.opening.ports == (22, 22)));
    assert_eq!(net.instances.iter().map(|i| i.interfaces.len()).collect::<Vec<_>>(), [1, 1, 1]);
    // Its classic load balancer listens on a port that its group does not open, and has an instance that is not there.
    let weblb = net.load_balancers.iter().find(|l| l.name == "weblb").unwrap();
    assert_eq!(
        (weblb.arn.as_str(), weblb.kind.as_str()),
        ("arn:aws:elasticloadbalancing:us-east-1:653711331788:loadbalancer/weblb", "classic")
    );
    assert_eq!(weblb.backends.iter().map(|b| (b.listener, b.port)).collect::<Vec<_>>(), [(8000, 8000)]);
    assert_eq!(ask(&net, "internet", "weblb", "8000"), Verdict::No);
    assert!(net.gaps.iter().any(|g| g.object == weblb.arn && g.what.contains("not all that its listeners pass on")));
}

/// Answers of different days, and an API that nobody asked.
#[test]
fn what_two_files_tell_of_one_thing_is_said_where_they_differ() {
    let vpc = |cidr: &str| format!(r#"{{"Vpcs":[{{"VpcId":"vpc-1","OwnerId":"111122223333","CidrBlock":"{cidr}"}}]}}"#);
    let (monday, friday) = (vpc("10.0.0.0/16"), vpc("10.9.0.0/16"));
    let groups = br#"{"SecurityGroups":[{"GroupId":"sg-1","GroupName":"web","VpcId":"vpc-1","OwnerId":"111122223333"}]}"#;
    let (both, notes) = folder([
        ("1.json", monday.as_bytes()),
        ("2.json", monday.as_bytes()),
        ("3.json", friday.as_bytes()),
        ("4.json", &groups[..]),
    ]);
    assert_eq!(both.regions[0].network.vpcs.len(), 1);
    assert_eq!(both.regions[0].network.vpcs[0].cidr_block, "10.0.0.0/16");
    assert_eq!(notes, ["vpc-1: two files describe it, and not alike; what came first counts"]);
    // Nobody told of interfaces: that a group is on none can not be said.
    assert!(bartizan::network::unused::unused(&build(&both)).is_empty());
    let missing = "no answer tells of interfaces";
    assert!(build(&both).gaps.iter().any(|g| g.object == "111122223333 unknown" && g.what.starts_with(missing)));
    let interfaces = br#"{"NetworkInterfaces":[{"NetworkInterfaceId":"eni-1","VpcId":"vpc-1","SubnetId":"subnet-1"}]}"#;
    let (told, _) = folder([("1.json", monday.as_bytes()), ("4.json", &groups[..]), ("5.json", &interfaces[..])]);
    assert_eq!(bartizan::network::unused::unused(&build(&told)).len(), 1);
}

#[test]
fn a_public_and_a_private_subnet() {
    let Some(root) = samples("a_public_and_a_private_subnet") else { return };
    let (estate, notes) = estate(&root, "public-private-subnet");
    let net = build(&estate);
    assert!(net.gaps.is_empty() && notes.iter().all(|n| n.contains("nothing in it")), "{:?} {notes:?}", net.gaps);
    let found = exposures(&net, &[Source::internet()], &NothingKnown);
    let said: Vec<String> = found.iter().map(|e| format!("{} {}", net.id_of(e.target), e.service())).collect();
    assert_eq!(said, ["eni-09da8cad43844dc1f tcp 22"]);
    // The other one's way out is a virtual private gateway, and what is behind that is not known.
    assert_eq!(ask(&net, "internet", "eni-07c1506e49d784fe0", "22"), Verdict::No);
    assert_eq!(ask(&net, "eni-07c1506e49d784fe0", "internet", "443"), Verdict::Unknown);
}

#[test]
fn what_is_no_answer_is_named() {
    for (bytes, word) in [(&b"{"[..], "no JSON"), (b"[1]", "no object"), (b"\xff\xfe", "no JSON")] {
        assert!(read("x.json", bytes).unwrap_err().to_string().contains(word));
    }
    let piece = read("x.json", br#"{"Buckets":[]}"#).unwrap();
    assert!(!piece.known);
    let piece = read("x.json", br#"{"Vpcs":[{"VpcId":7},{"VpcId":"vpc-1"}],"Subnets":3}"#).unwrap();
    assert_eq!((piece.network.vpcs.len(), piece.notes.len()), (1, 2));
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    assert!(read("x.json", format!(r#"{{"Vpcs":{deep}}}"#).as_bytes()).is_err());
    let (estate, notes) =
        folder([("a.json", &b"nonsense"[..]), ("b.json", br#"{"Vpcs":[{"VpcId":"vpc-1","OwnerId":"111122223333"}]}"#)]);
    assert_eq!((estate.regions.len(), notes.len()), (1, 1));
}
