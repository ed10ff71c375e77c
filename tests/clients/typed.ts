// A program of a user of the generated TypeScript client; compiled under every strict setting, run against the stack.
import createClient from "openapi-fetch";
import type { components, paths } from "./api.js";

type Row = components["schemas"]["CompanyWorkspaceConnector"];
type Cast = { url: string; tokens: { owner: string; pipeline: string }; company: string; connector: string };

declare const process: { argv: string[] };
declare const console: { log(text: string): void };

const cast = JSON.parse(process.argv[2] ?? "") as Cast;
const media = "application/vnd.api+json";

function clientOf(token: string) {
  return createClient<paths>({ baseUrl: cast.url, headers: { Authorization: `Bearer ${token}`, "Content-Type": media } });
}

const owner = clientOf(cast.tokens.owner);
const pipeline = clientOf(cast.tokens.pipeline);

async function walk(): Promise<{ ids: string[]; names: string[] }> {
  const ids: string[] = [];
  const names = new Set<string>();
  let after: string | undefined;
  for (;;) {
    const { data, error } = await owner.GET("/v1/company-workspace-connectors", {
      params: {
        query: {
          "page[size]": 50,
          ...(after === undefined ? {} : { "page[after]": after }),
          include: ["company", "workspace_connector.connector"],
          "fields[company]": ["name", "created_at"],
        },
      },
    });
    if (!data) throw new Error(JSON.stringify(error));
    ids.push(...data.data.map((row: Row) => row.id));
    for (const one of data.included ?? []) {
      if (one.type === "company" && one.attributes?.name) names.add(one.attributes.name);
    }
    if (data.links.next === null) return { ids, names: [...names] };
    after = data.data.at(-1)?.meta?.page.cursor;
  }
}

async function write() {
  const { data: made, response } = await pipeline.POST("/v1/company-workspace-connectors", {
    body: {
      data: {
        type: "company_workspace_connector",
        attributes: { direction: "input" },
        relationships: {
          company: { data: { type: "company", id: cast.company } },
          workspace_connector: { data: { type: "workspace_connector", id: cast.connector } },
        },
      },
    },
  });
  if (!made) throw new Error(`no row: ${response.status}`);
  const path = { id: made.data.id };
  const known = (await pipeline.GET("/v1/company-workspace-connectors/{id}", { params: { path } })).response.headers.get("etag");
  const change = {
    params: { path, header: { "If-Match": known ?? "" } },
    body: {
      data: {
        type: "company_workspace_connector" as const,
        id: made.data.id,
        attributes: { deleted_at: new Date().toISOString() },
      },
    },
  };
  const first = await pipeline.PATCH("/v1/company-workspace-connectors/{id}", change);
  const stale = await pipeline.PATCH("/v1/company-workspace-connectors/{id}", change);
  const code = stale.error && "errors" in stale.error ? stale.error.errors[0]?.code : undefined;
  const direction = made.data.attributes?.direction;
  return { status: response.status, direction, first: first.response.status, stale: stale.response.status, code };
}

async function stranger() {
  const { error, response } = await clientOf("no token").GET("/v1/company-workspace-connectors");
  return { status: response.status, message: error && "message" in error ? error.message : undefined };
}

console.log(JSON.stringify({ walk: await walk(), write: await write(), stranger: await stranger() }));
