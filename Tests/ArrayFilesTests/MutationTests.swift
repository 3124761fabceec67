import ArrayFiles
import Foundation
import Tensors
import TestSupport
import Testing

/// Thousands of files that began as good ones: each is read or refused, none traps, and none makes the reader take
/// much more memory than the file has. In a process of its own, since memory is counted by process.
@Suite struct MutationTests {
  @Test func `mutated npy files`() async {
    await #expect(processExitsWith: .success) {
      for name in ["form_le_f4_C.npy", "form_be_f8_F.npy", "form_version_3.npy"] {
        let (good, bad) = try feed(bytes(of: golden(name)), header: 128, count: 1500) { path in
          let tensor = try NPY.read(from: path)
          #expect(tensor.byteCount <= (try bytes(of: path).count))
        }
        #expect(good > 0 && bad > 500)
      }
    }
  }

  @Test func `mutated safetensors files`() async {
    await #expect(processExitsWith: .success) {
      let original = try bytes(of: golden("state_dict.safetensors"))
      let header = 8 + Int(original[0]) + Int(original[1]) << 8
      let (good, bad) = try feed(original, header: header, count: 4000) { path in
        let file = try SafetensorsFile(contentsOf: path)
        for name in file.names where file.entries[name]?.dtype != "I64" { _ = try file.tensor(named: name) }
      }
      #expect(good > 0 && bad > 500)
    }
  }

  @Test func `every truncation of a file is refused`() throws {
    let folder = TemporaryFolder()
    for (name, read) in [
      ("form_le_f2_C.npy", { (path: String) in _ = try NPY.read(from: path) }),
      ("optimizers.safetensors", { (path: String) in _ = try SafetensorsFile(contentsOf: path) }),
    ] {
      let original = try bytes(of: golden(name))
      for length in 0..<original.count {
        try write(original[..<length], to: folder.file("short"))
        #expect(throws: FileError.self) { try read(folder.file("short")) }
      }
    }
  }
}

/// Has mutants of a file read, and holds every read to its memory.
///
/// - Returns: how many were read and how many refused.
private func feed(
  _ original: [UInt8], header: Int, count: Int, _ read: (String) throws -> Void
) throws -> (Int, Int) {
  let folder = TemporaryFolder()
  var mutator = Mutator(original, header: 0..<header, seed: 11)
  var (good, bad) = (0, 0)
  let path = folder.file("mutant")
  for _ in 0..<count {
    let mutant = mutator.next()
    try write(mutant, to: path)
    forgetPeak()
    let before = memory("VmRSS")
    do {
      try read(path)
      good += 1
    } catch is FileError {
      bad += 1
    }
    #expect(memory("VmHWM") - before < 8 * mutant.count + 16 << 20)
  }
  return (good, bad)
}

/// A line of /proc/self/status, in bytes; 0 where there is none.
private func memory(_ name: String) -> Int {
  let status = (try? String(contentsOfFile: "/proc/self/status", encoding: .utf8)) ?? ""
  let line = status.split(separator: "\n").first { $0.hasPrefix(name) } ?? ""
  return (Int(line.filter(\.isNumber)) ?? 0) * 1024
}

/// Makes the peak of resident memory start again from what is resident now.
private func forgetPeak() {
  let file = open("/proc/self/clear_refs", O_WRONLY)
  if file >= 0 {
    Foundation.write(file, "5", 1)
    close(file)
  }
}
