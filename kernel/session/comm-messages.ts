import { comms } from "../../src/frontend/comms.js";
import type { Request } from "../wire/bridge.js";
import { createContext, within } from "./context.js";

/** Hands messages on comms to the program, whose handlers run beside cells. */
export class CommMessages {
  /**
   * @param executor runs a handler, which may never return
   * @param report is told what a handler throws
   */
  constructor(
    private readonly executor: { beside(work: () => void): Promise<void> },
    private readonly report: (thrown: unknown) => void,
  ) {}

  async receive({ header, content, metadata, buffers }: Request): Promise<void> {
    const context = createContext(header);
    const event = { commId: String(content.comm_id), targetName: content.target_name, data: content.data, metadata, buffers };
    await this.executor.beside(() =>
      within(context, () => {
        try {
          comms.receive({ type: header.msg_type as "comm_open" | "comm_msg" | "comm_close", ...event });
        } catch (thrown) {
          this.report(thrown);
        }
      }),
    );
  }

  /** The content of comm_info_reply: the comms that are open, those of one target where one is named. */
  info({ target_name }: Request["content"]): Record<string, unknown> {
    const open = Object.entries(comms.info()).filter(([, comm]) => !target_name || comm.target_name === target_name);
    return { status: "ok", comms: Object.fromEntries(open) };
  }
}
