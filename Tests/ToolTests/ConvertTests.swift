import InstanceNorm
import TestSupport
import Testing

@Suite struct ConvertTests: VerbSuite {
  let folder = TemporaryFolder()

  @Test func `convert makes PyTorch's tensors a .safetensors file`() throws {
    for name in ["torch_state.pth", "torch_state_before_zip.pth"] {
      let said = try run("convert", golden(name), "-o", "out.safetensors")
      #expect(said.hasSuffix("26 tensors (1 bfloat16, 1 float16, 14 float32, 1 float64, 9 int64), 160 values\n"))
      let (ours, theirs) = try (
        SafetensorsFile(contentsOf: folder.file("out.safetensors")),
        SafetensorsFile(contentsOf: golden("torch_state.safetensors"))
      )
      #expect(ours.names == theirs.names && ours.metadata == ["format": "pt"])
      for name in ours.names {
        #expect(try bits(ours.tensor(named: name)) == bits(theirs.tensor(named: name)), "\(name)")
      }
    }
  }

  @Test func `convert says what it took of a checkpoint and what it passed over`() throws {
    let said = try run("convert", golden("torch_checkpoint.pth"), "-o", "out.safetensors")
    for line in [
      "taken: 'model'", "names: without the 'module.' that each begins with", "passed over: 'epoch' (a whole number)",
      "passed over: 'optimizer' (a dictionary)", "out.safetensors: 7 tensors (6 float32, 1 int64), 13 values",
    ] { #expect(said.contains("\(line)\n")) }
    let file = try SafetensorsFile(contentsOf: folder.file("out.safetensors"))
    #expect(file.entries["1.num_batches_tracked"]?.dtype == "I64" && file.entries["1.running_mean"] != nil)
    _ = try run("convert", golden("torch_checkpoint.pth"), "--part", "", "-o", "out.safetensors")
    #expect(try SafetensorsFile(contentsOf: folder.file("out.safetensors")).names == ["random", "step"])
    let unread = try run("convert", golden("torch_unread.pth"), "-o", "out.safetensors")
    #expect(unread.contains("passed over: 'complex64' has values of type complex64"))
  }

  @Test func `convert --half halves the weights of convolutions and matrices alone`() throws {
    try SafetensorsFile.write(
      [
        "w": Tensor([1, 0.1, 3, 4] as [Float], shape: [2, 2]), "bias": Tensor([0.1] as [Float]),
        "d": .zeros([1, 1], dtype: .float64),
      ],
      metadata: ["about": "x"], to: folder.file("in.safetensors"))
    _ = try run("convert", "in.safetensors", "--half", "-o", "in.safetensors")
    let file = try SafetensorsFile(contentsOf: folder.file("in.safetensors"))
    #expect(file.entries.mapValues(\.dtype) == ["w": "F16", "bias": "F32", "d": "F64"])
    #expect(try file.tensor(named: "w").doubles == [1, Double(Float16(0.1)), 3, 4])
    #expect(file.metadata == ["about": "x", "format": "pt"])
  }

  @Test func `apply takes weights from PyTorch's own file`() throws {
    let x = try Tensor.randomNormal([1, 2, 6, 5], seed: 1)
    try NPY.write(x, to: folder.file("x.npy"))
    _ = try run("convert", golden("torch_checkpoint.pth"), "-o", "w.safetensors")
    for norm in ["instance", "batch"] {
      _ = try run("apply", "x.npy", "-o", "a.npy", "--weights", "w.safetensors", "--norm", norm)
      _ = try run("apply", "x.npy", "-o", "b.npy", "--weights", golden("torch_checkpoint.pth"), "--norm", norm)
      #expect(try bytes(of: folder.file("a.npy")) == bytes(of: folder.file("b.npy")))
    }
  }
}
