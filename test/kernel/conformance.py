"""jupyter_kernel_test on the kernel `erpo`. Run with JUPYTER_PATH pointing to where the kernelspec was installed."""

import unittest

import jupyter_kernel_test


class ErpoKernel(jupyter_kernel_test.KernelTests):
    kernel_name = "erpo"
    language_name = "typescript"
    file_extension = ".ts"
    code_hello_world = "console.log('hello, world')"
    code_stderr = "console.error('test')"
    code_generate_error = "throw new TypeError('wrong')"
    code_execute_result = [
        {"code": "6 * 7", "result": "42"},
        {"code": "const xs: number[] = [1, 2, 3]; xs.map((x) => x * 2)", "result": "[ 2, 4, 6 ]"},
    ]
    code_display_data = [
        {"code": "import * as tslab from 'tslab'; tslab.display.html('<b>bold</b>')", "mime": "text/html"},
        {"code": "import { display } from 'tslab'; display.png(new Uint8Array([137, 80, 78, 71]))", "mime": "image/png"},
    ]
    completion_samples = [
        {"text": "parseI", "matches": {"parseInt"}},
        {"text": "[1, 2].rev", "matches": {"reverse"}},
    ]
    complete_code_samples = ["1", "const x = 1;", "function f(x: number) {\n  return x * 2;\n}", "`a\n${1}`", "/a{/.test('')"]
    incomplete_code_samples = ["function f(x: number) {", "const x = (", "`a", "/* b", "[1, 2"]
    invalid_code_samples = ["const 1 = 2", "} x", "a b c"]
    code_inspect_sample = "parseInt"
    code_clear_output = "import { clearOutput } from 'erpo'; clearOutput()"
    code_history_pattern = "6 ?*"
    supported_history_operations = ("tail", "range", "search")

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.kc.execute_interactive(cls.code_clear_output, timeout=120)  # the library is loaded outside of any test's own time


if __name__ == "__main__":
    unittest.main()
