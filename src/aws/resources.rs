//! What carries a policy of its own: all services that are asked for theirs, side by side.

use crate::aws::scope::{Answer, Scope};
use crate::aws::{ecr, kms, s3, secretsmanager, sns, sqs};
use crate::model::resource::Resource;

/// What carries a policy of its own in an account and region, by service as ARNs name it. Functions are `lambda`'s matter,
/// which knows them already.
pub async fn all(scope: &Scope) -> Vec<(&'static str, Answer<Vec<Resource>>)> {
    let (buckets, keys, queues, topics, secrets, repositories) = tokio::join!(
        Box::pin(s3::buckets(scope)),
        Box::pin(kms::keys(scope)),
        Box::pin(sqs::queues(scope)),
        Box::pin(sns::topics(scope)),
        Box::pin(secretsmanager::secrets(scope)),
        Box::pin(ecr::repositories(scope)),
    );
    vec![("s3", buckets), ("kms", keys), ("sqs", queues), ("sns", topics), ("secretsmanager", secrets), ("ecr", repositories)]
}
