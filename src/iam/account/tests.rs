use serde_json::{Value, json};

use super::{Account, outsider};
use crate::iam::evaluate::{Answer, Context, Decision};
use crate::iam::read::authorization_details;

const ID: &str = "111122223333";
const FOREIGN: &str = "999988887777";

fn arn(of: &str) -> String {
    format!("arn:aws:iam::{ID}:{of}")
}

fn role(name: &str, principal: &Value, condition: &Value) -> Value {
    let statement =
        json!({"Sid": "In", "Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole", "Condition": condition});
    let trust = json!({"Version": "2012-10-17", "Statement": [statement]});
    json!({"RoleName": name, "Path": "/", "Arn": arn(&format!("role/{name}")), "AssumeRolePolicyDocument": trust})
}

fn account() -> Account {
    let theirs = |who: &str| json!({"AWS": format!("arn:aws:iam::{FOREIGN}:{who}")});
    let user = |name: &str, arn: &str| {
        let allow = json!({"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"});
        let own = json!({"PolicyName": "own", "PolicyDocument": {"Version": "2012-10-17", "Statement": [allow]}});
        json!({"UserName": name, "Path": "/", "Arn": arn, "UserPolicyList": [own]})
    };
    let mut ann = user("ann", &arn("user/ann"));
    ann["AttachedManagedPolicies"] = json!([{"PolicyName": "gone", "PolicyArn": arn("policy/gone")}]);
    let details = json!({
        "UserDetailList": [ann, user("bob", "user/bob")],
        "GroupDetailList": [],
        "RoleDetailList": [
            role("foreign", &theirs("root"), &json!({})),
            role("asked", &theirs("root"), &json!({"ArnLike": {"aws:PrincipalArn": format!("arn:aws:iam::{FOREIGN}:role/ci")}})),
            role("one", &theirs("role/ci"), &json!({})),
            role("closed", &json!({"AWS": arn("root")}), &json!({})),
            role("public", &json!("*"), &json!({})),
        ],
        "Policies": [],
    });
    Account::read(&authorization_details(&details.to_string()).unwrap())
}

fn ask(account: &Account, who: &str, action: &str, on: &str) -> Answer {
    let who = outsider(who, |id| id == ID).unwrap();
    account.can_outsider(&who, action, on, &Context::new()).unwrap()
}

/// An account's root user assumes no role, so that an account's name means whoever is of it.
#[test]
fn an_account_by_its_digits_is_whoever_is_of_it() {
    let account = account();
    let assume = |who: &str, name: &str| ask(&account, who, "sts:AssumeRole", &format!("role/{name}"));
    let depends = |name: &str| {
        let answer = assume(FOREIGN, name);
        assert_eq!(answer.decision, Decision::Depends, "{name}: {answer:?}");
        assert!(answer.because.iter().any(|b| b.statement == "In"), "{answer:?}");
        let told = answer.sentences();
        assert_eq!(told, ["Its own policies are not known: they may allow or deny it."]);
        answer.depends.into_iter().filter(|d| !d.key.ends_with("not read")).map(|d| d.condition).collect::<Vec<_>>()
    };
    assert_eq!(depends("foreign"), [""; 0]);
    let ci = format!("arn:aws:iam::{FOREIGN}:role/ci");
    assert_eq!(depends("asked"), [format!("ArnLike aws:PrincipalArn {ci}")]);
    assert_eq!(depends("one"), [format!("it is {ci}")]);
    let closed = assume(FOREIGN, "closed");
    assert_eq!((closed.decision, closed.missing.len()), (Decision::Denied { explicit: false }, 1), "{closed:?}");
    // As policies write it; of its own account the root user alone can be meant.
    let root = format!("arn:aws:iam::{FOREIGN}:root");
    let told = assume(&root, "foreign");
    assert!(told.decision == Decision::Depends && told.sentences()[0].starts_with("A root user cannot assume roles"), "{told:?}");
    let own = assume("root", "closed");
    assert_eq!(own.decision, Decision::Denied { explicit: false });
    assert!(own.sentences()[0].contains("cannot assume roles"), "{own:?}");
    let everyone = assume("everyone", "public");
    assert_eq!((everyone.decision, everyone.missing.len()), (Decision::Denied { explicit: false }, 0));
    assert!(everyone.sentences()[0].starts_with("Anonymous callers cannot call STS"), "{everyone:?}");
}

#[test]
fn what_a_bucket_lets_an_account_do_its_own_policies_hand_on() {
    let mut account = account();
    let allow = |who: &str, action: &str| json!({"Effect": "Allow", "Principal": {"AWS": who}, "Action": action, "Resource": "arn:aws:s3:::b/*"});
    let statements = [allow(FOREIGN, "s3:GetObject"), allow(&format!("arn:aws:iam::{FOREIGN}:role/ci"), "s3:PutObject")];
    let policy = json!({"Version": "2012-10-17", "Statement": statements}).to_string();
    account.set_resource_policy("arn:aws:s3:::b", &crate::model::principal::Document(policy));
    let of = |action: &str| ask(&account, FOREIGN, action, "arn:aws:s3:::b/k");
    let read = of("s3:GetObject");
    assert!(read.decision == Decision::Allowed && read.because.len() == 1, "{read:?}");
    assert!(read.sentences()[0].starts_with("The account itself is let in"), "{read:?}");
    let write = of("s3:PutObject");
    assert!(write.depends.iter().any(|d| d.condition.ends_with(":role/ci")), "{write:?}");
    assert_eq!(of("s3:DeleteObject").decision, Decision::Denied { explicit: false });
}

#[test]
fn every_answer_says_what_decided() {
    let account = account();
    for (action, says) in [("s3:DeleteBucket", "The root user may do"), ("sts:GetCallerIdentity", "Whoever has credentials")] {
        let answer = ask(&account, "root", action, "*");
        assert!(answer.decision == Decision::Allowed && answer.sentences()[0].starts_with(says), "{answer:?}");
    }
    // A policy that was not read is told once, and not as statements that it may not have.
    let (object, none) = ("arn:aws:s3:::b/k", Context::new());
    let ann = account.can("user/ann", "s3:GetObject", object, &none).unwrap();
    assert_eq!(ann.sentences(), [format!("{}, a policy that was not read, may allow or deny it.", arn("policy/gone"))]);
    // Whose ARN was changed by hand is not known to others' policies, and nobody is told that nothing allows it.
    let bob = |action: &str| account.can("user/bob", action, object, &none).unwrap();
    for action in ["s3:GetObject", "s3:PutObject"] {
        assert_eq!(bob(action).decision, Decision::Depends);
        assert_eq!(bob(action).sentences(), ["Policies that name user/bob by its ARN are not known: they may allow or deny it."]);
    }
}
