//! What runs in the accounts beside machines: a function or a container task for each role that is made for one.

use crate::demo::accounts::REGIONS;
use crate::demo::random::{Random, label};
use crate::model::estate::Estate;
use crate::model::workload::{Function, Task, Workloads};

/// Adds functions and tasks by the names of the roles they run as.
pub(super) fn add(estate: &mut Estate) {
    let roles: Vec<(String, String, String)> = estate
        .identities
        .iter()
        .flat_map(|i| i.roles.iter().map(|r| (i.account.clone(), r.role_name.clone(), r.arn.clone())))
        .collect();
    for (account, name, role) in roles {
        let mut random = Random::of(&role);
        let region = random.pick(&REGIONS);
        if estate.region(&account, region).is_none() {
            continue;
        }
        let mut run = Workloads::default();
        if name.contains("-lambda") || name == "directory-sync" {
            let function = name.replace("-lambda", "");
            run.functions.push(Function {
                function_arn: format!("arn:aws:lambda:{region}:{account}:function:{function}"),
                function_name: function,
                role,
                runtime: random.pick(&["python3.13", "nodejs22.x", "java21", "provided.al2023"]).to_owned(),
                ..Function::default()
            });
        } else if name.contains("-task") {
            let family = name.replace("-task", "");
            let id = format!("{:016x}{:016x}", label(&role), label(&format!("task of {role}")));
            run.tasks.push(Task {
                task_arn: format!("arn:aws:ecs:{region}:{account}:task/apps/{id}"),
                task_definition_arn: format!("arn:aws:ecs:{region}:{account}:task-definition/{family}:{}", 1 + random.below(40)),
                cluster_arn: format!("arn:aws:ecs:{region}:{account}:cluster/apps"),
                enable_execute_command: random.chance(25),
                task_role_arn: role,
                ..Task::default()
            });
        }
        if !run.is_empty() {
            let part = &mut estate.region_mut(&account, region).workloads;
            part.functions.extend(run.functions);
            part.tasks.extend(run.tasks);
        }
    }
}
