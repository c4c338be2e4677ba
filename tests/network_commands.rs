//! `bartizan net` and the listings of the network engine, through the built program: on the demo, on folders of plain
//! answers that lack things, and with sources and boundaries that are right and wrong.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

struct Ran {
    code: i32,
    out: String,
    err: String,
}

fn run(home: &Path, args: &[&str]) -> Ran {
    let mut program = Command::new(env!("CARGO_BIN_EXE_bartizan"));
    let done = program.env_clear().env("HOME", home).args(args).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Ran { code: done.status.code().unwrap(), out: text(done.stdout), err: text(done.stderr) }
}

fn json_of(home: &Path, args: &[&str]) -> Value {
    let ran = run(home, args);
    serde_json::from_str(&ran.out).unwrap_or_else(|e| panic!("{args:?}: {e}\n{}\n{}", ran.out, ran.err))
}

fn file(home: &Path, name: &str, text: &str) -> PathBuf {
    let path = home.join(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(&path, text).unwrap();
    path
}

#[test]
fn the_list_and_the_command_tell_the_same_exposures() {
    let home = tempfile::tempdir().unwrap();
    let listed = json_of(home.path(), &["list", "exposures", "--from", "demo", "-o", "json"]);
    let told = json_of(home.path(), &["net", "exposures", "--from", "demo", "--json"]);
    let ids = |rows: &Value| {
        let mut ids: Vec<String> = rows.as_array().unwrap().iter().map(|r| r["id"].as_str().unwrap().to_owned()).collect();
        ids.sort();
        ids
    };
    assert!(!ids(&listed).is_empty());
    assert_eq!(ids(&listed), ids(&told));
    for row in listed.as_array().unwrap() {
        let other = told.as_array().unwrap().iter().find(|t| t["id"] == row["id"]).unwrap();
        assert_eq!(row["severity"], other["severity"], "{row}");
        let points: i64 = other["score"].as_array().unwrap().iter().map(|p| p["points"].as_i64().unwrap()).sum();
        assert_eq!(row["score"].as_i64(), Some(points), "the score is the sum of its parts");
    }
    let one = listed[0]["id"].as_str().unwrap();
    let shown = run(home.path(), &["show", one, "--from", "demo"]);
    assert_eq!(shown.code, 0, "{}", shown.err);
    assert!(shown.out.contains("What would close it") && shown.out.contains("back: "), "{}", shown.out);
    let narrow = run(home.path(), &["list", "exposures", "--from", "demo", "--filter", "kind:administration", "-o", "ndjson"]);
    assert!(narrow.out.lines().count() > 0 && narrow.out.lines().all(|l| l.contains("administration")));
}

/// A machine behind a load balancer is not reached by itself: the answer says by whom it is.
#[test]
fn what_a_load_balancer_passes_on_is_told_where_the_way_itself_is_closed() {
    let home = tempfile::tempdir().unwrap();
    let rows = json_of(
        home.path(),
        &["list", "exposures", "--from", "demo", "-o", "json", "-f", "via:payments-front name:payments-api", "-c", "on,via,name"],
    );
    let row = &rows.as_array().unwrap()[0];
    let machine =
        row["on"].as_array().unwrap().iter().find_map(|o| o.as_str().filter(|o| o.starts_with("i-"))).unwrap().to_owned();
    let asked = run(home.path(), &["net", "can", "internet", &machine, "8080", "--from", "demo"]);
    assert_eq!(asked.code, 1, "{}", asked.err);
    assert!(
        asked.out.contains("but load balancer payments-front passes tcp 443 on to it: rule 20 (path /api/*)"),
        "{}",
        asked.out
    );
}

/// What joins networks and leads out of them has listings of its own, and every row opens.
#[test]
fn gateways_connections_endpoints_acls_and_ways_out_are_listed() {
    let home = tempfile::tempdir().unwrap();
    let list = |name: &str| {
        let rows = json_of(home.path(), &["list", name, "--from", "demo", "-o", "json"]);
        rows.as_array().unwrap().clone()
    };
    let of = |rows: &[Value], field: &str, word: &str| -> Vec<Value> {
        rows.iter().filter(|r| r[field].as_str().is_some_and(|v| v.contains(word))).cloned().collect()
    };
    let gateways = list("gateways");
    for kind in ["internet", "NAT", "virtual private", "transit", "customer", "egress-only"] {
        assert!(!of(&gateways, "kind", kind).is_empty(), "{kind}");
    }
    let connections = list("connections");
    let ids: std::collections::BTreeSet<&str> = connections.iter().map(|p| p["id"].as_str().unwrap()).collect();
    assert_eq!(ids.len(), connections.len(), "what two accounts see is one row");
    let peerings = of(&connections, "kind", "peering");
    assert!(!of(&peerings, "state", "pending-acceptance").is_empty() && !of(&peerings, "state", "active").is_empty());
    let attached = of(&connections, "kind", "transit");
    assert!(attached.iter().all(|a| a["table"].as_str().is_some_and(|t| t.starts_with("tgw-rtb-"))), "{attached:?}");
    let tunnels: Vec<Value> = of(&connections, "kind", "VPN").iter().map(|v| v["tunnels"].clone()).collect();
    assert_eq!(tunnels, ["0 of 2 up", "2 of 2 up"]);
    let endpoints = list("endpoints");
    assert!(of(&endpoints, "kind", "Gateway").iter().all(|e| e["service"] == "s3" && e["policy"] == "all"));
    let acls = list("network-acls");
    assert!(acls.iter().any(|a| a["open"].as_array().is_some_and(|o| o.contains(&json!("all")))), "{acls:?}");
    let out = list("ways-out");
    assert!(!of(&out, "by", "nat-").is_empty() && out.iter().all(|w| w["interfaces"].as_u64() > Some(0)));
    let vpn = of(&connections, "kind", "VPN").remove(0);
    let customer = of(&gateways, "kind", "customer").remove(0);
    for (row, says) in [
        (customer, "VPN connections"),
        (vpn, "Tunnels"),
        (of(&endpoints, "kind", "Gateway").remove(0), "Policy"),
        (acls[0].clone(), "Inbound"),
        (out[0].clone(), "Who gets out"),
    ] {
        let shown = run(home.path(), &["show", row["id"].as_str().unwrap(), "--from", "demo"]);
        assert!(shown.code == 0 && shown.out.contains(says), "{row}: {} {}", shown.out, shown.err);
    }
    // Addresses sort as numbers.
    let rows = json_of(home.path(), &["list", "interfaces", "--from", "demo", "-o", "json", "-s", "address", "-c", "address"]);
    let addresses: Vec<std::net::Ipv4Addr> =
        rows.as_array().unwrap().iter().map(|r| r["address"].as_str().unwrap().parse().unwrap()).collect();
    assert!(addresses.windows(2).all(|w| w[0] <= w[1]), "{addresses:?}");
}

#[test]
fn boundaries_end_with_one_where_something_crosses() {
    let home = tempfile::tempdir().unwrap();
    let config = |text: &str| file(home.path(), "c.toml", text).to_str().unwrap().to_owned();
    let none = run(home.path(), &["net", "boundaries", "--from", "demo", "--config", &config("")]);
    assert_eq!(none.code, 2);
    assert!(none.err.contains("[[network.boundary]]"), "{}", none.err);
    let rule = "[[network.boundary]]\nname = \"b\"\nfrom = [\"non-production\"]\nto = [\"production\"]\n";
    let crossed = run(home.path(), &["net", "boundaries", "--json", "--from", "demo", "--config", &config(rule)]);
    assert_eq!(crossed.code, 1, "{}", crossed.err);
    let rows: Value = serde_json::from_str(&crossed.out).unwrap();
    assert!(rows.as_array().unwrap().iter().all(|r| r["boundary"] == "b" && !r["path"]["hops"].as_array().unwrap().is_empty()));
    let held = "[[network.boundary]]\nname = \"b\"\nfrom = [\"security\"]\nto = [\"management\"]\n";
    let held = run(home.path(), &["net", "boundaries", "--from", "demo", "--config", &config(held)]);
    assert_eq!((held.code, held.out.as_str()), (0, "Nothing crosses a boundary, as far as is known.\n"), "{}", held.err);
    // A word that means nothing is said.
    let misspelt = "[[network.boundary]]\nname = \"b\"\nfrom = [\"prodction\"]\n";
    let misspelt = run(home.path(), &["net", "boundaries", "--from", "demo", "--config", &config(misspelt)]);
    assert!(misspelt.err.contains("prodction"), "{}", misspelt.err);
    // What is wrong has its place.
    let wrong = "[[network.source]]\nname = \"hq\"\ncidrs = [\"10.0.0.0/8\"]\n";
    let wrong = run(home.path(), &["net", "exposures", "--from", "demo", "--config", &config(wrong)]);
    assert_eq!(wrong.code, 1);
    assert!(wrong.err.contains("line 3, column 9") && wrong.err.contains("not on the internet"), "{}", wrong.err);
}

#[test]
fn diagrams_come_in_every_format_from_far_and_near() {
    let home = tempfile::tempdir().unwrap();
    let vpcs = json_of(home.path(), &["list", "vpcs", "--from", "demo", "-o", "json"]);
    let subnets = json_of(home.path(), &["list", "subnets", "--from", "demo", "-o", "json"]);
    let (vpc, subnet) = (vpcs[0]["id"].as_str().unwrap(), subnets[0]["id"].as_str().unwrap());
    let account = vpcs[0]["account"].as_str().unwrap();
    for (what, says) in [(vpc, "VPC "), (subnet, "Subnet "), (account, "Account ")] {
        for (format, begins) in [("text", says), ("svg", "<svg "), ("dot", "digraph "), ("mermaid", "flowchart ")] {
            let drawn = run(home.path(), &["net", "diagram", what, "--format", format, "--from", "demo"]);
            assert_eq!(drawn.code, 0, "{}", drawn.err);
            assert!(drawn.out.starts_with(begins), "{what} {format}: {}", &drawn.out[..60]);
        }
    }
    let whole = run(home.path(), &["net", "diagram", "--accounts", "--from", "demo", "--ascii"]);
    assert!(whole.out.starts_with("The organisation") && whole.out.is_ascii(), "{}", whole.out);
    let gone = run(home.path(), &["net", "diagram", "vpc-0", "--from", "demo"]);
    assert!(gone.code == 1 && gone.err.contains("vpc-0"), "{}", gone.err);
}

#[test]
fn egress_tells_ways_out_and_private_services() {
    let home = tempfile::tempdir().unwrap();
    let all = json_of(home.path(), &["net", "egress", "--json", "--from", "demo"]);
    let ways = all["ways"].as_array().unwrap();
    assert!(ways.iter().any(|w| w["by"].as_array().unwrap().iter().any(|b| b.as_str().unwrap().starts_with("nat-"))));
    let services = all["services"].as_array().unwrap();
    assert!(services.iter().any(|s| s["service"] == "s3" && !s["endpoints"].as_array().unwrap().is_empty()));
}

/// A folder where a group is gone, a peering deleted, a CIDR malformed, files are of different dates, and some missing.
#[test]
fn what_a_folder_lacks_is_named_and_the_rest_is_judged() {
    let home = tempfile::tempdir().unwrap();
    let put = |name: &str, value: Value| file(home.path(), &format!("answers/{name}"), &value.to_string());
    let owner = "111122223333";
    put("describe-vpcs.json", json!({"Vpcs": [{"VpcId": "vpc-1", "CidrBlock": "10.0.0.0/16", "OwnerId": owner}]}));
    put(
        "describe-subnets.json",
        json!({"Subnets": [{"SubnetId": "subnet-1", "VpcId": "vpc-1", "CidrBlock": "10.0.1.0/24", "OwnerId": owner,
            "AvailabilityZone": "eu-west-1a"}]}),
    );
    put(
        "describe-internet-gateways.json",
        json!({"InternetGateways": [{"InternetGatewayId": "igw-1", "Attachments": [{"VpcId": "vpc-1", "State": "available"}]}]}),
    );
    put(
        "describe-route-tables.json",
        json!({"RouteTables": [{"RouteTableId": "rtb-1", "VpcId": "vpc-1", "Associations": [{"Main": true}], "Routes": [
            {"DestinationCidrBlock": "0.0.0.0/0", "GatewayId": "igw-1", "State": "active"},
            {"DestinationCidrBlock": "10.9.0.0/16", "VpcPeeringConnectionId": "pcx-gone", "State": "active"}]}]}),
    );
    put(
        "describe-security-groups.json",
        json!({"SecurityGroups": [{"GroupId": "sg-1", "GroupName": "web", "VpcId": "vpc-1", "OwnerId": owner, "IpPermissions": [
            {"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443, "IpRanges": [{"CidrIp": "0.0.0.0/0"}]},
            {"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "IpRanges": [{"CidrIp": "10.0.0.0/99"}]},
            {"IpProtocol": "tcp", "FromPort": 80, "ToPort": 80, "UserIdGroupPairs": [{"GroupId": "sg-gone", "UserId": owner}]}],
            "IpPermissionsEgress": [{"IpProtocol": "-1", "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}]}]}),
    );
    // An interface from a later day: its second group is not among the groups yet.
    put(
        "describe-network-interfaces.json",
        json!({"NetworkInterfaces": [
            {"NetworkInterfaceId": "eni-1", "VpcId": "vpc-1", "SubnetId": "subnet-1", "OwnerId": owner, "PrivateIpAddress": "10.0.1.5",
             "Groups": [{"GroupId": "sg-1"}], "PrivateIpAddresses": [{"PrivateIpAddress": "10.0.1.5", "Primary": true,
             "Association": {"PublicIp": "203.0.113.9"}}]},
            {"NetworkInterfaceId": "eni-2", "VpcId": "vpc-1", "SubnetId": "subnet-1", "OwnerId": owner, "PrivateIpAddress": "10.0.1.6",
             "Groups": [{"GroupId": "sg-new"}], "PrivateIpAddresses": [{"PrivateIpAddress": "10.0.1.6", "Primary": true,
             "Association": {"PublicIp": "203.0.113.10"}}]}]}),
    );
    file(home.path(), "answers/broken.json", "{\"Vpcs\": [");
    let folder = home.path().join("answers");
    let folder = folder.to_str().unwrap();
    let ran = run(home.path(), &["net", "exposures", "--json", "--from", folder]);
    for named in ["pcx-gone", "sg-gone", "10.0.0.0/99", "sg-new", "broken.json", "no network ACL is known"] {
        assert!(ran.err.contains(named), "{named} is not named:\n{}", ran.err);
    }
    // No ACL was given: nothing is certain, and nothing is called closed.
    let rows: Value = serde_json::from_str(&ran.out).unwrap();
    let rows = rows.as_array().unwrap();
    assert!(!rows.is_empty() && rows.iter().all(|r| r["verdict"] == "unknown"), "{rows:#?}");
    let can = run(home.path(), &["net", "can", "internet", "eni-1", "443", "--from", folder]);
    assert!(can.code == 1 && can.out.starts_with("unknown"), "{}", can.out);
    // Trouble is no answer.
    let nobody = run(home.path(), &["net", "can", "internet", "nosuch", "22", "--from", "demo"]);
    assert!(nobody.code == 2 && nobody.err.contains("\"nosuch\""), "{}", nobody.err);
    // With the ACL the rest is judged: what is open is open, what only a lost group would decide stays unknown.
    put(
        "describe-network-acls.json",
        json!({"NetworkAcls": [{"NetworkAclId": "acl-1", "VpcId": "vpc-1", "IsDefault": true, "Entries": [
            {"RuleNumber": 100, "Protocol": "-1", "RuleAction": "allow", "Egress": false, "CidrBlock": "0.0.0.0/0"},
            {"RuleNumber": 100, "Protocol": "-1", "RuleAction": "allow", "Egress": true, "CidrBlock": "0.0.0.0/0"}]}]}),
    );
    let answer = |to: &str, port: &str| {
        let ran = run(home.path(), &["net", "can", "internet", to, port, "--from", folder]);
        ran.out.split(':').next().unwrap_or_default().to_owned()
    };
    assert_eq!(answer("eni-1", "443"), "yes");
    assert_eq!(answer("eni-1", "3306"), "no");
    assert_eq!(answer("eni-1", "22"), "unknown");
    assert_eq!(answer("eni-2", "443"), "unknown");
    // Rules of listeners in a file of their own, and a VPN whose keys nobody wants.
    let lb = "arn:aws:elasticloadbalancing:eu-west-1:111122223333:loadbalancer/app/front/0a";
    let listener = lb.replace(":loadbalancer/", ":listener/") + "/1b";
    put(
        "describe-load-balancers.json",
        json!({"LoadBalancers": [{"LoadBalancerArn": lb, "LoadBalancerName": "front", "Scheme": "internet-facing", "Type": "application",
            "VpcId": "vpc-1", "SecurityGroups": ["sg-1"], "AvailabilityZones": [{"SubnetId": "subnet-1"}]}]}),
    );
    put(
        "describe-listeners.json",
        json!({"Listeners": [{"ListenerArn": listener, "LoadBalancerArn": lb, "Port": 443, "Protocol": "HTTPS",
            "DefaultActions": [{"Type": "redirect"}]}]}),
    );
    put(
        "describe-rules.json",
        json!({"Rules": [{"RuleArn": listener.replace(":listener/", ":listener-rule/") + "/2c", "Priority": "1", "Conditions": [],
            "Actions": [{"Type": "forward", "TargetGroupArn": "tg-lost"}]}]}),
    );
    put(
        "describe-vpn-connections.json",
        json!({"VpnConnections": [{"VpnConnectionId": "vpn-1", "CustomerGatewayId": "cgw-gone", "VpnGatewayId": "vgw-gone",
            "CustomerGatewayConfiguration": "s3cret", "Options": {"TunnelOptions": [{"PreSharedKey": "s3cret"}]}}]}),
    );
    let ran = run(home.path(), &["net", "exposures", "--json", "--from", folder]);
    for named in ["not all that its listeners pass on", "customer gateway cgw-gone", "virtual private gateway vgw-gone"] {
        assert!(ran.err.contains(named), "{named} is not named:\n{}", ran.err);
    }
    assert!(ran.out.contains("front") && !ran.out.contains("s3cret") && !ran.err.contains("s3cret"));
    // Answers in one file are as good; where no interface is among them, nothing is called unreachable.
    let vpcs = std::fs::read_to_string(home.path().join("answers/describe-vpcs.json")).unwrap();
    let one = file(home.path(), "one.json", &vpcs);
    let ran = run(home.path(), &["net", "exposures", "--from", one.to_str().unwrap()]);
    assert!(ran.code == 0 && ran.out.contains("what the internet reaches is not known"), "{} {}", ran.out, ran.err);
    assert!(ran.err.contains("no answer tells of interfaces"), "{}", ran.err);
    // A classic load balancer, in its own answer.
    put(
        "elb-describe-load-balancers.json",
        json!({"LoadBalancerDescriptions": [{"LoadBalancerName": "old", "VPCId": "vpc-1", "Scheme": "internet-facing",
            "Subnets": ["subnet-1"], "SecurityGroups": ["sg-1"], "Instances": [{"InstanceId": "i-1"}, {"InstanceId": "i-gone"}],
            "ListenerDescriptions": [{"Listener": {"Protocol": "HTTPS", "LoadBalancerPort": 443, "InstanceProtocol": "HTTP",
            "InstancePort": 443}, "PolicyNames": []}]}]}),
    );
    put(
        "describe-instances.json",
        json!({"Reservations": [{"Instances": [{"InstanceId": "i-1", "VpcId": "vpc-1", "SubnetId": "subnet-1",
            "State": {"Name": "running"}, "PrivateIpAddress": "10.0.1.20", "SecurityGroups": [{"GroupId": "sg-1"}]}]}]}),
    );
    let ran = run(home.path(), &["net", "exposures", "--json", "--why", "--from", folder]);
    let rows: Vec<Value> = serde_json::from_str(&ran.out).unwrap();
    let behind = rows.iter().find(|r| r["target"] == "eni@i-1").expect("the instance behind it is exposed");
    assert_eq!((behind["verdict"].as_str(), behind["service"].as_str()), (Some("yes"), Some("tcp 443")));
    let close = behind["would_close"].to_string();
    assert!(close.contains("deregister the instance, or delete listener tcp 443"), "{close}");
    assert!(behind["path"].to_string().contains("HTTPS to HTTP forwards to its instances"), "{}", behind["path"]);
    for named in
        ["i-1: its network interfaces are known from its own answer alone", "loadbalancer/old: not all that its listeners"]
    {
        assert!(ran.err.contains(named), "{named} is not named:\n{}", ran.err);
    }
    // A folder without networks says what it wants.
    file(home.path(), "empty/buckets.json", "{\"Buckets\": []}");
    let empty = home.path().join("empty");
    let none = run(home.path(), &["net", "exposures", "--from", empty.to_str().unwrap()]);
    assert!(none.code == 1 && none.err.contains("aws ec2 describe-vpcs"), "{}", none.err);
}
