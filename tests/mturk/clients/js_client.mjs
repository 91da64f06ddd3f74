// The JavaScript SDK, version 3: publish, read, approve.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

const require = createRequire(`${process.cwd()}/`);
const { MTurkClient, CreateHITCommand, ListAssignmentsForHITCommand, ApproveAssignmentCommand, GetAssignmentCommand } = require("@aws-sdk/client-mturk");
const [act, what] = process.argv.slice(2);
const client = new MTurkClient({ region: "us-east-1" });
if (act === "publish") {
  const { HIT } = await client.send(new CreateHITCommand({ Title: "By JS", Description: "One word.", Reward: "0.05", LifetimeInSeconds: 3600, AssignmentDurationInSeconds: 600, MaxAssignments: 1, Question: readFileSync(what, "utf8") }));
  console.log(JSON.stringify({ hit: HIT.HITId }));
} else {
  const { Assignments } = await client.send(new ListAssignmentsForHITCommand({ HITId: what }));
  const status = [];
  for (const { AssignmentId } of Assignments) {
    await client.send(new ApproveAssignmentCommand({ AssignmentId }));
    status.push((await client.send(new GetAssignmentCommand({ AssignmentId }))).Assignment.AssignmentStatus);
  }
  console.log(JSON.stringify({ said: Assignments.map((one) => one.Answer), status }));
}
