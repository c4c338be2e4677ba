//! What speaks against a question before it is answered: a mistyped action is denied to everyone, and so is a bucket's ARN
//! where an action takes objects. The answer stands all the same; whoever asks is told.

use serde_json::json;

use super::facts::{facts, held_against};
use super::lint::{Kind, lint};
use super::sets::glob::ArnPattern;

/// Types of resources that are told by name.
const SHOWN: usize = 6;

/// Doubts in sentences; none where the action is known and takes such a resource, or the resource is no whole ARN.
pub fn doubts(action: &str, resource: &str) -> Vec<String> {
    let Some((service, known)) = facts().action(action) else {
        let statement = json!({"Effect": "Allow", "Action": action, "Resource": "*"});
        let told = lint(&json!({"Version": "2012-10-17", "Statement": [statement]}).to_string(), Kind::Managed);
        let unknown = told.into_iter().filter(|l| matches!(l.id, "unknown-action" | "unknown-service"));
        return unknown.map(|l| format!("Mistyped? {}", l.message)).collect();
    };
    let name = format!("{}:{}", service.prefix, known.name);
    if resource == "*" {
        let types: Vec<&str> = service.takes(known).map(|(of, _)| of.name).collect();
        let more = if types.len() > SHOWN { format!(" and {} more", types.len() - SHOWN) } else { String::new() };
        let shown = types.iter().take(SHOWN).copied().collect::<Vec<_>>().join(", ");
        let told = format!("No resource is named: all that {name} takes are meant ({shown}{more}).");
        return if types.is_empty() { Vec::new() } else { vec![told] };
    }
    if !resource.starts_with("arn:") {
        return Vec::new();
    }
    let asked = ArnPattern::new(resource);
    if held_against(&name).is_some_and(|arn| asked.matches(arn)) {
        return Vec::new();
    }
    let takes: Vec<_> = known.resources.iter().filter_map(|(r, _)| service.resources.get(*r)).collect();
    if takes.is_empty() {
        return vec![format!("{name} takes no single resource: statements allow it on * alone.")];
    }
    if takes.iter().any(|r| r.may_be(&asked)) {
        return Vec::new();
    }
    let mut shapes: Vec<&str> = takes.iter().map(|r| r.arn).collect();
    shapes.sort_by_key(|shape| shape.len());
    vec![format!("{name} takes no such resource, but {}.", shapes.join(" or "))]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_can_only_be_a_slip_is_told() {
        for (action, resource, says) in [
            ("s3:GetObjct", "*", "did you mean s3:GetObject?"),
            ("s4:GetObject", "*", "no service \"s4\""),
            ("s3:GetObject", "arn:aws:s3:::payroll", "takes no such resource, but arn:${Partition}:s3:::${BucketName}/"),
            ("s3:ListBucket", "arn:aws:s3:::payroll/2026.csv", "takes no such resource, but arn:${Partition}:s3:::${BucketName}"),
            ("s3:ListAllMyBuckets", "arn:aws:s3:::payroll", "takes no single resource"),
            ("s3:GetObject", "*", "all that s3:GetObject takes are meant (object)."),
            ("ssm:StartSession", "*", "are meant (document, instance, managed-instance, task)."),
        ] {
            let told = doubts(action, resource);
            assert!(told.len() == 1 && told[0].contains(says), "{action} {resource}: {told:?}");
        }
        for (action, resource) in [
            ("s3:GetObject", "arn:aws:s3:::payroll/2026.csv"),
            ("S3:getobject", "arn:aws:s3:::payroll/*"),
            ("s3:ListAllMyBuckets", "*"),
            ("s3:ListAllMyBuckets", "arn:aws:s3:::*"),
            ("iam:PassRole", "role/admin"),
            ("ec2:RunInstances", "arn:aws:ec2:eu-west-1:111122223333:instance/*"),
        ] {
            assert_eq!(doubts(action, resource), [""; 0], "{action} {resource}");
        }
    }
}
