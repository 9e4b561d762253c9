import { once } from "node:events";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";

interface Metric {
  key: string;
  value: number | string;
  timestamp: number;
  step: number;
}

interface Request {
  run_id?: string;
  name: string;
  run_name?: string;
  experiment_id: string;
  status: string;
  metrics?: Metric[];
  params?: { key: string; value: string }[];
}

/** What a tracking server holds, and its REST API 2.0 as far as a client that logs runs needs it, with the server's own limits. */
export class MlflowServer {
  readonly experiments = new Map([["0", "Default"]]);
  readonly runs: { experiment: string; name?: string; status: string; params: Record<string, string>; metrics: Metric[] }[] = [];
  readonly tokens: (string | undefined)[] = [];
  /** Answers with this status in place of its own; 0 cuts the line. */
  failing: number | undefined;
  private server: Server | undefined;

  get uri(): string {
    return `http://127.0.0.1:${(this.server!.address() as AddressInfo).port}`;
  }

  async start(): Promise<void> {
    this.server = createServer(async (request, response) => {
      let text = "";
      for await (const chunk of request) text += chunk;
      this.tokens.push(request.headers.authorization);
      if (this.failing === 0) return request.socket.destroy();
      const [status, body] = this.failing ? [this.failing, { error_code: "BUSY" }] : this.answer(request.url!, text && JSON.parse(text));
      return response.writeHead(status, { "Content-Type": "application/json" }).end(JSON.stringify(body));
    }).listen(0, "127.0.0.1");
    await once(this.server, "listening");
  }

  stop(): void {
    this.server?.closeAllConnections();
    this.server?.close();
  }

  private answer(address: string, body: Request): [number, object] {
    const { pathname, searchParams } = new URL(address, this.uri);
    const missing: [number, object] = [404, { error_code: "RESOURCE_DOES_NOT_EXIST", message: "none" }];
    const run = this.runs[Number(body?.run_id ?? searchParams.get("run_id"))];
    switch (pathname.replace("/api/2.0/mlflow/", "")) {
      case "experiments/get-by-name": {
        const found = [...this.experiments].find(([, name]) => name === searchParams.get("experiment_name"));
        return found ? [200, { experiment: { experiment_id: found[0] } }] : missing;
      }
      case "experiments/create":
        this.experiments.set(String(this.experiments.size), body.name);
        return [200, { experiment_id: String(this.experiments.size - 1) }];
      case "runs/create":
        this.runs.push({ experiment: body.experiment_id, name: body.run_name, status: "RUNNING", params: {}, metrics: [] });
        return [200, { run: { info: { run_id: String(this.runs.length - 1) } } }];
      case "runs/get": {
        if (!run) return missing;
        const last = new Map(run.metrics.map((metric) => [metric.key, metric]));
        return [200, { run: { data: { metrics: [...last.values()] } } }];
      }
      case "runs/update":
        if (!run) return missing;
        run.status = body.status;
        return [200, {}];
      case "runs/log-batch": {
        const { metrics = [], params = [] } = body;
        if (metrics.length > 1000 || params.length > 100) return [400, { error_code: "INVALID_PARAMETER_VALUE" }];
        if (!run) return missing;
        run.metrics.push(...metrics);
        for (const { key, value } of params) run.params[key] = value;
        return [200, {}];
      }
      default:
        return [404, { error_code: "ENDPOINT_NOT_FOUND" }];
    }
  }
}
