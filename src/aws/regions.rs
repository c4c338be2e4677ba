//! Names of regions: which this build knows without asking, and the nearest to a mistyped one. `ec2` asks AWS.

/// Regions of all partitions at the time of this build; others exist, so a name that is not here is asked for, not refused.
pub const KNOWN: &[&str] = &[
    "af-south-1",
    "ap-east-1",
    "ap-east-2",
    "ap-northeast-1",
    "ap-northeast-2",
    "ap-northeast-3",
    "ap-south-1",
    "ap-south-2",
    "ap-southeast-1",
    "ap-southeast-2",
    "ap-southeast-3",
    "ap-southeast-4",
    "ap-southeast-5",
    "ap-southeast-6",
    "ap-southeast-7",
    "ca-central-1",
    "ca-west-1",
    "cn-north-1",
    "cn-northwest-1",
    "eu-central-1",
    "eu-central-2",
    "eu-north-1",
    "eu-south-1",
    "eu-south-2",
    "eu-west-1",
    "eu-west-2",
    "eu-west-3",
    "eusc-de-east-1",
    "il-central-1",
    "me-central-1",
    "me-south-1",
    "mx-central-1",
    "sa-east-1",
    "us-east-1",
    "us-east-2",
    "us-gov-east-1",
    "us-gov-west-1",
    "us-west-1",
    "us-west-2",
];

/// The name nearest to a mistyped one; none where nothing is near.
pub fn nearest<'a>(wanted: &str, names: impl IntoIterator<Item = &'a str>) -> Option<String> {
    let wanted = wanted.to_ascii_lowercase();
    let distance = |name: &&str| strsim::damerau_levenshtein(&wanted, &name.to_ascii_lowercase());
    let best = names.into_iter().map(|name| (distance(&name), name)).min()?;
    (best.0 <= 1 + wanted.chars().count() / 3).then(|| best.1.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn typing_errors_find_their_region() {
        assert_eq!(nearest("eu-wset-1", KNOWN.iter().copied()).as_deref(), Some("eu-west-1"));
        assert_eq!(nearest("US-EAST1", KNOWN.iter().copied()).as_deref(), Some("us-east-1"));
        assert_eq!(nearest("frankfurt", KNOWN.iter().copied()), None);
        assert_eq!(nearest("x", []), None);
    }
}
