"""The kernel over CurveZMQ, as jupyter_client asks for it; then a client without the keys. Prints JSON."""

import json
import queue

from jupyter_client import BlockingKernelClient
from jupyter_client.manager import KernelManager

manager = KernelManager(kernel_name="erpo", transport_encryption="required")
manager.start_kernel()
client = manager.blocking_client()
client.start_channels()
client.wait_for_ready(timeout=30)
shown = []
client.execute_interactive("6 * 7", timeout=30, output_hook=lambda m: shown.append(m["content"].get("data", {}).get("text/plain")))
beating = client.is_alive()

info = manager.get_connection_info()
for field in ("curve_publickey", "curve_secretkey"):
    info.pop(field)
stranger = BlockingKernelClient()
stranger.load_connection_info(info)
stranger.start_channels(hb=False)
stranger.kernel_info()
try:
    without = stranger.get_shell_msg(timeout=2)["msg_type"]
except queue.Empty:
    without = "no answer"
stranger.stop_channels()
client.stop_channels()
manager.shutdown_kernel(now=True)
print(json.dumps({"with": next(text for text in shown if text), "beating": beating, "without": without}))
