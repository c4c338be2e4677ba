//! XML answers (EC2, the query protocol of IAM, STS, ELB and SNS, and S3) as JSON in the shape that `aws … --output json` prints.
//!
//! What XML does not tell stays as it is: scalars are text, and `model/` reads them leniently. No entity is expanded but
//! the five of XML itself, a document type is refused, depth and size are bounded.

use std::borrow::Cow;

use quick_xml::Reader;
use quick_xml::events::Event;
use serde_json::{Map, Value};

/// AWS nests about 12 deep.
const DEEPEST: usize = 64;

/// How a protocol writes lists, and what it wraps an answer in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Dialect {
    /// `<DescribeVpcsResponse><vpcSet><item>…`, names in camelCase.
    Ec2,
    /// `<GetUserResponse><GetUserResult><User>…`, lists of `member`, maps of `entry`.
    Query,
    /// S3, and refusals of all: names as they are, the root is the answer.
    Plain,
}

struct Frame {
    /// The element's name; for a list's item the list's.
    name: String,
    item: bool,
    text: String,
    children: Children,
}

enum Children {
    None,
    Object(Map<String, Value>),
    List(Vec<Value>),
    Entries(Map<String, Value>),
}

/// Reads an answer.
///
/// # Errors
/// Where it is not well-formed XML in UTF-8, or nests too deep; the text says what and where.
pub(super) fn read(body: &[u8], dialect: Dialect) -> Result<Value, String> {
    let text = std::str::from_utf8(body).map_err(|e| format!("the answer is not UTF-8 at byte {}", e.valid_up_to()))?;
    let mut reader = Reader::from_str(text);
    let mut stack: Vec<Frame> = Vec::new();
    loop {
        let at = reader.buffer_position();
        let event = reader.read_event().map_err(|e| format!("the answer is not well-formed XML at byte {at}: {e}"))?;
        match event {
            Event::Start(tag) => {
                if stack.len() >= DEEPEST {
                    return Err(format!("the answer nests deeper than {DEEPEST} at byte {at}"));
                }
                stack.push(Frame::open(tag.local_name().as_ref(), stack.last(), dialect));
            }
            Event::Empty(tag) => {
                let frame = Frame::open(tag.local_name().as_ref(), stack.last(), dialect);
                match stack.last_mut() {
                    Some(parent) => parent.add(frame, dialect),
                    None => return Ok(unwrap(frame, dialect)),
                }
            }
            Event::Text(part) => push(&mut stack, &part.xml10_content()),
            Event::CData(part) => push(&mut stack, &part),
            Event::GeneralRef(reference) => {
                let c = match &*reference {
                    "amp" => '&',
                    "lt" => '<',
                    "gt" => '>',
                    "quot" => '"',
                    "apos" => '\'',
                    other => match reference.resolve_char_ref() {
                        Ok(Some(c)) => c,
                        _ => return Err(format!("the answer uses an unknown entity &{other}; at byte {at}")),
                    },
                };
                push(&mut stack, c.encode_utf8(&mut [0; 4]));
            }
            Event::End(_) => {
                let Some(frame) = stack.pop() else { return Err(format!("the answer closes what it never opened at byte {at}")) };
                match stack.last_mut() {
                    Some(parent) => parent.add(frame, dialect),
                    None => return Ok(unwrap(frame, dialect)),
                }
            }
            Event::DocType(_) => return Err("the answer has a document type, AWS's never have".to_owned()),
            Event::Eof if stack.is_empty() => return Err("the answer is empty".to_owned()),
            Event::Eof => return Err(format!("the answer ends inside <{}>", stack.last().map_or("", |f| &f.name))),
            Event::Decl(_) | Event::PI(_) | Event::Comment(_) => {}
        }
    }
}

fn push(stack: &mut [Frame], text: &str) {
    if let Some(frame) = stack.last_mut()
        && matches!(frame.children, Children::None)
    {
        frame.text.push_str(text);
    }
}

impl Frame {
    fn open(name: &str, parent: Option<&Self>, dialect: Dialect) -> Self {
        let item = dialect.item() == name && parent.is_some();
        let name = if item { parent.map_or_else(String::new, |p| p.name.clone()) } else { name.to_owned() };
        Self { name, item, text: String::new(), children: Children::None }
    }
    fn add(&mut self, child: Self, dialect: Dialect) {
        let entry = dialect == Dialect::Query && child.name == "entry";
        let (name, item) = (child.name.clone(), child.item);
        let value = child.close(dialect);
        if let Children::None = self.children {
            self.children = match (item, entry) {
                (true, _) => Children::List(Vec::new()),
                (_, true) => Children::Entries(Map::new()),
                _ => Children::Object(Map::new()),
            };
        }
        match &mut self.children {
            Children::List(list) => list.push(value),
            Children::Entries(map) => {
                if let Value::Object(mut pair) = value
                    && let Some(Value::String(key)) = pair.remove("key")
                {
                    map.insert(key, pair.remove("value").unwrap_or_default());
                }
            }
            Children::Object(map) => {
                let key = match dialect {
                    Dialect::Ec2 => ec2_name(&self.name, &name).into_owned(),
                    Dialect::Query | Dialect::Plain => name,
                };
                match map.get_mut(&key) {
                    None => {
                        map.insert(key, value);
                    }
                    // The same name again: a list without an element around it.
                    Some(Value::Array(list)) => list.push(value),
                    Some(first) => *first = Value::Array(vec![first.take(), value]),
                }
            }
            Children::None => {}
        }
    }
    fn close(self, dialect: Dialect) -> Value {
        match self.children {
            Children::List(list) => Value::Array(list),
            Children::Object(map) | Children::Entries(map) => Value::Object(map),
            // Indentation inside an empty element is no text.
            Children::None if self.text.contains('\n') && self.text.trim().is_empty() => {
                Self { text: String::new(), children: Children::None, ..self }.close(dialect)
            }
            Children::None if self.text.is_empty() && !self.item && dialect == Dialect::Ec2 && self.name.ends_with("Set") => {
                Value::Array(Vec::new())
            }
            Children::None => Value::String(self.text),
        }
    }
}

impl Dialect {
    const fn item(self) -> &'static str {
        match self {
            Self::Ec2 => "item",
            Self::Query | Self::Plain => "member",
        }
    }
}

/// The query protocol wraps an answer once more, in `…Result`.
fn unwrap(root: Frame, dialect: Dialect) -> Value {
    let value = root.close(dialect);
    match (dialect, value) {
        (Dialect::Query, Value::Object(map)) => {
            let result = map.into_iter().find(|(key, _)| key.ends_with("Result")).map(|(_, value)| value);
            // A call without an answer has no result element, an empty one no children.
            result.filter(Value::is_object).unwrap_or_else(|| Value::Object(Map::new()))
        }
        (_, value @ Value::Object(_)) => value,
        _ => Value::Object(Map::new()),
    }
}

/// The API's name of a field of EC2's wire format: its first letter becomes a capital, but for the fields below, which
/// are all that differ in the answers this build reads (from the service model, `aws-sdk-ec2` 1.274).
fn ec2_name<'a>(parent: &str, wire: &'a str) -> Cow<'a, str> {
    Cow::Borrowed(match (parent, wire) {
        ("networkInterfaceSet", "tagSet") => "TagSet",
        ("instancesSet", "groupSet") => "SecurityGroups",
        ("instancesSet", "dnsName") => "PublicDnsName",
        ("instancesSet", "ipAddress") => "PublicIpAddress",
        ("instancesSet", "reason") => "StateTransitionReason",
        ("networkAclSet", "default") => "IsDefault",
        ("productCodes", "productCode") => "ProductCodeId",
        ("productCodes", "type") => "ProductCodeType",
        ("regionInfo", "regionEndpoint") => "Endpoint",
        ("vpnGatewaySet", "attachments") => "VpcAttachments",
        (_, "addressesSet") => "Addresses",
        (_, "associatedSubnetSet") => "AssociatedSubnets",
        (_, "associationSet") => "Associations",
        (_, "customerGatewaySet") => "CustomerGateways",
        (_, "attachedApplianceSet") => "AttachedAppliances",
        (_, "attachmentSet") => "Attachments",
        (_, "blockDeviceMapping") => "BlockDeviceMappings",
        (_, "dnsEntrySet") => "DnsEntries",
        (_, "egressOnlyInternetGatewaySet") => "EgressOnlyInternetGateways",
        (_, "elasticGpuAssociationSet") => "ElasticGpuAssociations",
        (_, "elasticInferenceAcceleratorAssociationSet") => "ElasticInferenceAcceleratorAssociations",
        (_, "entrySet") => "Entries",
        (_, "geographySet") => "Geography",
        (_, "groupDescription") => "Description",
        (_, "groupSet") => "Groups",
        (_, "groups") => "UserIdGroupPairs",
        (_, "instanceState") => "State",
        (_, "instancesSet") => "Instances",
        (_, "internetGatewaySet") => "InternetGateways",
        (_, "ipPrefixSet") => "IpPrefixes",
        (_, "ipv4PrefixSet") => "Ipv4Prefixes",
        (_, "ipv6AddressesSet") => "Ipv6Addresses",
        (_, "ipv6PrefixSet") => "Ipv6Prefixes",
        (_, "licenseSet") => "Licenses",
        (_, "natGatewayAddressSet") => "NatGatewayAddresses",
        (_, "natGatewaySet") => "NatGateways",
        (_, "networkAclSet") => "NetworkAcls",
        (_, "networkInterfaceIdSet") => "NetworkInterfaceIds",
        (_, "networkInterfaceSet") => "NetworkInterfaces",
        (_, "payerResponsibilitySet") => "PayerResponsibilities",
        (_, "prefixListSet") => "PrefixLists",
        (_, "privateDnsSpecifiedDomainSet") => "PrivateDnsSpecifiedDomains",
        (_, "privateIpAddressSet" | "privateIpAddressesSet") => "PrivateIpAddresses",
        (_, "propagatingVgwSet") => "PropagatingVgws",
        (_, "regionInfo") => "Regions",
        (_, "reservationSet") => "Reservations",
        (_, "routeSet") => "Routes",
        (_, "routeTableIdSet") => "RouteTableIds",
        (_, "routeTableSet") => "RouteTables",
        (_, "secondaryInterfaceSet") => "SecondaryInterfaces",
        (_, "securityGroupInfo") => "SecurityGroups",
        (_, "subnetIdSet") => "SubnetIds",
        (_, "subnetSet") => "Subnets",
        (_, "tagSet") => "Tags",
        (_, "transitGatewaySet") => "TransitGateways",
        (_, "vpcBlockPublicAccessExclusionSet") => "VpcBlockPublicAccessExclusions",
        (_, "vpcEndpointSet") => "VpcEndpoints",
        (_, "vpcPeeringConnectionSet") => "VpcPeeringConnections",
        (_, "vpcSet") => "Vpcs",
        (_, "tunnelOptionSet") => "TunnelOptions",
        (_, "vpnConnectionSet") => "VpnConnections",
        (_, "vpnGatewaySet") => "VpnGateways",
        (_, other) => {
            let mut letters = other.chars();
            return match letters.next() {
                Some(first) if first.is_lowercase() => Cow::Owned(first.to_uppercase().chain(letters).collect()),
                _ => Cow::Borrowed(other),
            };
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn ec2_reads_as_the_command_line_prints_it() {
        let body = br#"<?xml version="1.0" encoding="UTF-8"?>
            <DescribeSecurityGroupsResponse xmlns="http://ec2.amazonaws.com/doc/2016-11-15/"><requestId>r</requestId>
              <securityGroupInfo><item><groupId>sg-1</groupId><groupDescription>a &amp; b &#x3c;c&gt;</groupDescription>
                <ipPermissions><item><ipProtocol>tcp</ipProtocol><fromPort>22</fromPort>
                  <groups><item><groupId>sg-2</groupId></item></groups>
                  <ipRanges><item><cidrIp>0.0.0.0/0</cidrIp></item></ipRanges><ipv6Ranges/></item></ipPermissions>
                <tagSet>
                </tagSet></item></securityGroupInfo><nextToken>t</nextToken></DescribeSecurityGroupsResponse>"#;
        let expected = json!({
            "RequestId": "r",
            "SecurityGroups": [{
                "GroupId": "sg-1",
                "Description": "a & b <c>",
                "IpPermissions": [{
                    "IpProtocol": "tcp", "FromPort": "22", "UserIdGroupPairs": [{"GroupId": "sg-2"}],
                    "IpRanges": [{"CidrIp": "0.0.0.0/0"}], "Ipv6Ranges": ""
                }],
                "Tags": []
            }],
            "NextToken": "t"
        });
        assert_eq!(read(body, Dialect::Ec2).unwrap(), expected);
    }

    #[test]
    fn a_name_can_depend_on_where_it_stands() {
        let body = b"<R><reservationSet><item><groupSet><item><groupId>g</groupId></item></groupSet><instancesSet><item>\
            <groupSet><item><groupId>sg-1</groupId></item></groupSet><ipAddress>1.2.3.4</ipAddress>\
            <networkInterfaceSet><item><groupSet><item><groupId>sg-1</groupId></item></groupSet></item></networkInterfaceSet>\
            </item></instancesSet></item></reservationSet></R>";
        let value = read(body, Dialect::Ec2).unwrap();
        let instance = &value["Reservations"][0]["Instances"][0];
        assert_eq!(value["Reservations"][0]["Groups"][0]["GroupId"], "g");
        assert_eq!(instance["SecurityGroups"][0]["GroupId"], "sg-1");
        assert_eq!(instance["PublicIpAddress"], "1.2.3.4");
        assert_eq!(instance["NetworkInterfaces"][0]["Groups"][0]["GroupId"], "sg-1");
    }

    #[test]
    fn block_public_access_and_its_exclusions_read_into_the_network() {
        use crate::model::network::{BlockPublicAccessExclusion, Subnet};
        let body = b"<R><subnetSet><item><subnetId>subnet-1</subnetId><availabilityZoneId>euw1-az1</availabilityZoneId>\
            <blockPublicAccessStates><internetGatewayBlockMode>block-ingress</internetGatewayBlockMode></blockPublicAccessStates>\
            </item></subnetSet></R>";
        let subnet: Subnet = serde_json::from_value(read(body, Dialect::Ec2).unwrap()["Subnets"][0].clone()).unwrap();
        assert!(subnet.block_public_access_states.is_some_and(|b| b.is_on()) && subnet.availability_zone_id == "euw1-az1");
        let body = b"<R><vpcBlockPublicAccessExclusionSet><item><exclusionId>vpcbpa-exclude-1</exclusionId>\
            <internetGatewayExclusionMode>allow-egress</internetGatewayExclusionMode>\
            <resourceArn>arn:aws:ec2:eu-west-1:111122223333:vpc/vpc-1</resourceArn><state>create-complete</state>\
            </item></vpcBlockPublicAccessExclusionSet></R>";
        let value = read(body, Dialect::Ec2).unwrap()["VpcBlockPublicAccessExclusions"][0].clone();
        let exclusion: BlockPublicAccessExclusion = serde_json::from_value(value).unwrap();
        assert_eq!(
            (exclusion.internet_gateway_exclusion_mode.as_str(), exclusion.state.as_str()),
            ("allow-egress", "create-complete")
        );
    }

    #[test]
    fn query_lists_maps_and_wrappings() {
        let body =
            b"<GetAccountSummaryResponse><GetAccountSummaryResult><SummaryMap><entry><key>Users</key><value>7</value></entry>\
            <entry><key>MFADevices</key><value>3</value></entry></SummaryMap><Names><member>a</member><member></member></Names>\
            </GetAccountSummaryResult><ResponseMetadata><RequestId>r</RequestId></ResponseMetadata></GetAccountSummaryResponse>";
        let expected = json!({"SummaryMap": {"Users": "7", "MFADevices": "3"}, "Names": ["a", ""]});
        assert_eq!(read(body, Dialect::Query).unwrap(), expected);
        assert_eq!(read(b"<XResponse><XResult/></XResponse>", Dialect::Query).unwrap(), json!({}));
    }

    #[test]
    fn hostile_answers_are_refused() {
        let bomb = "<!DOCTYPE x [<!ENTITY a \"aaaa\">]><R><a>&a;</a></R>";
        let deep = "<a>".repeat(100_000);
        for (text, says) in [
            (bomb, "document type"),
            ("<R><a>&a;</a></R>", "unknown entity"),
            (deep.as_str(), "deeper than 64"),
            ("<R><a></R>", "not well-formed"),
            ("<R><a>x", "ends inside"),
            ("", "empty"),
            ("{\"a\":1}", "empty"),
        ] {
            let error = read(text.as_bytes(), Dialect::Ec2).unwrap_err();
            assert!(error.contains(says), "{error}");
        }
        assert!(read(b"<R>\xff</R>", Dialect::Ec2).unwrap_err().contains("UTF-8"));
    }
}
