// Drives the service as a Node program would. Arguments: address, folder of the .proto files,
// folder of google/rpc's. Prints one JSON object with what was answered.
"use strict";

const grpc = require("@grpc/grpc-js");
const loader = require("@grpc/proto-loader");
const protobuf = require("protobufjs");

const [address, protos, googleProtos] = process.argv.slice(2);
const files = ["audience", "ingest", "query"].map((name) => `headcount/v1/${name}_service.proto`);
const options = { includeDirs: [protos], longs: Number, enums: String, defaults: true, oneofs: true };
const { headcount } = grpc.loadPackageDefinition(loader.loadSync(files, options));
const v1 = headcount.v1;
const credentials = grpc.credentials.createInsecure();
const audiences = new v1.AudienceService(address, credentials);
const ingest = new v1.IngestService(address, credentials);
const query = new v1.QueryService(address, credentials);

function call(client, method, request) {
  return new Promise((resolve, reject) => {
    const deadline = new Date(Date.now() + 20000);
    client[method](request, { deadline }, (error, answer) =>
      error ? reject(error) : resolve(answer),
    );
  });
}

function statusOf(error) {
  const root = new protobuf.Root();
  root.resolvePath = (_origin, target) =>
    target.startsWith("google/rpc/") ? `${googleProtos}/${target}` : target;
  root.loadSync(["google/rpc/status.proto", "google/rpc/error_details.proto"]);
  const Status = root.lookupType("google.rpc.Status");
  const [bytes] = error.metadata.get("grpc-status-details-bin");
  const status = Status.decode(bytes);
  const details = {};
  for (const any of status.details) {
    const name = any.type_url.split("/").pop();
    const Detail = root.lookupType(name);
    details[name] = Detail.toObject(Detail.decode(any.value), { longs: Number });
  }
  return { code: error.code, message: error.details, status: status.code, details };
}

function everything(stream) {
  return new Promise((resolve, reject) => {
    const messages = [];
    stream.on("data", (message) => messages.push(message));
    stream.on("error", reject);
    stream.on("end", () => resolve(messages));
  });
}

async function create() {
  const audience = {
    name: "shop",
    key: "KEY_TYPE_STRING",
    timeZone: "Europe/Berlin",
    reachable: 'country = "DE"',
    attributes: [
      { name: "country", type: "ATTRIBUTE_TYPE_KEYWORD" },
      { name: "spend", type: "ATTRIBUTE_TYPE_DECIMAL", scale: 2 },
    ],
    events: [
      {
        name: "purchase",
        dimensions: ["category"],
        measures: [{ name: "amount", scale: 2 }],
      },
    ],
  };
  const answer = await call(audiences, "CreateAudience", { audience });
  return answer.audience.name;
}

async function write() {
  const rows = [
    ["ann", "DE", "12.50"],
    ["bob", "FR", "80.00"],
    ["cem", "de", "200.00"],
  ].map(([key, country, spend]) => ({
    key: { text: key },
    values: { country: { text: country }, spend: { decimal: spend } },
  }));
  const upserted = await call(ingest, "UpsertSubscribers", { audience: "shop", rows });
  const time = { seconds: Date.parse("2026-03-01T10:00:00Z") / 1000 };
  const events = [
    ["ann", "shoes", "49.99"],
    ["ann", "hats", "10"],
    ["bob", "shoes", "5"],
  ].map(([key, category, amount]) => ({
    key: { text: key },
    time,
    event: "purchase",
    dimensions: { category },
    measures: { amount },
  }));
  const recorded = await call(ingest, "RecordEvents", { audience: "shop", rows: events });
  return { upserted, recorded };
}

async function count() {
  const ruleText = 'country = "DE" or did purchase where (category = "shoes" and amount < 10)';
  const byText = await call(query, "Count", { audience: "shop", ruleText });
  const attribute = {
    name: "country",
    test: { compare: { operator: "OPERATOR_EQUAL", value: { text: "DE" } } },
  };
  const where = {
    attribute: {
      name: "amount",
      test: { compare: { operator: "OPERATOR_GREATER", value: { number: "40" } } },
    },
  };
  const did = {
    events: ["purchase"],
    where,
    window: { inLast: { duration: { amount: { number: "30" }, unit: "UNIT_DAY" } } },
  };
  const rule = { combination: "COMBINATION_ALL", rules: [{ attribute }, { did }] };
  const asOf = { seconds: Date.parse("2026-03-15T00:00:00Z") / 1000 };
  const byTree = await call(query, "Count", { audience: "shop", rule, asOf });
  const formatted = await call(query, "FormatRule", { rule });
  const parsed = await call(query, "ParseRule", { ruleText: formatted.ruleText });
  const again = await call(query, "Count", { audience: "shop", rule: parsed.rule, asOf });
  return { byText, byTree, again, formatted: formatted.ruleText };
}

async function refusals() {
  const found = {};
  const ask = async (name, method, request) => {
    try {
      await call(method === "CreateAudience" ? audiences : query, method, request);
      found[name] = null;
    } catch (error) {
      found[name] = statusOf(error);
    }
  };
  await ask("unknown attribute", "Count", { audience: "shop", ruleText: 'contry = "DE"' });
  await ask("no audience", "Count", { audience: "nowhere", ruleText: "everyone" });
  await ask("empty request", "Count", {});
  return found;
}

async function stream() {
  const messages = await everything(
    query.ExportMembers({ audience: "shop", ruleText: "everyone", format: "EXPORT_FORMAT_KEYS" }),
  );
  return messages.flatMap((message) => (message.keys ? message.keys.texts : []));
}

async function writes() {
  const both = ingest.StreamWrites();
  const answers = everything(both);
  const one = (key) => ({ key: { text: key }, values: { country: { text: "IT" } } });
  both.write({ upsertSubscribers: { audience: "shop", rows: [one("dan"), one("eve")] } });
  both.write({ upsertSubscribers: { audience: "shop", rows: [one("fay"), one("")] } });
  both.write({ deleteSubscribers: { audience: "shop", keys: { texts: ["eve"] } } });
  both.end();
  const found = await answers;
  const after = await call(query, "Count", { audience: "shop", ruleText: 'country = "it"' });
  return { answers: found, after: after.total };
}

async function main() {
  const answers = {
    created: await create(),
    written: await write(),
    counted: await count(),
    refused: await refusals(),
    exported: await stream(),
    streamed: await writes(),
  };
  process.stdout.write(JSON.stringify(answers));
  for (const client of [audiences, ingest, query]) client.close();
}

main().catch((error) => {
  process.stderr.write(`${error.stack}\n`);
  process.exit(1);
});
