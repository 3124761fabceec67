import Foundation
import InstanceNorm

/// What became of mutants of a good file that a reader was fed with.
public struct Feeding {
  /// How many were read, and how many refused.
  public private(set) var (read, refused) = (0, 0)
  /// Whether none took much more memory than it has bytes.
  public private(set) var isFrugal = true

  /// - Parameters:
  ///   - header: the bytes at the start where most changes fall.
  ///   - body: reads the file under a path. What it throws beside a `FileError` goes on to the caller.
  public init(_ original: [UInt8], header: Int, count: Int, _ body: (String) throws -> Void) throws {
    let folder = TemporaryFolder(inMemory: true)
    var mutator = Mutator(original, header: 0..<header, seed: 11)
    let path = folder.file("mutant")
    for _ in 0..<count {
      let mutant = mutator.next()
      try write(mutant, to: path)
      Memory.forgetPeak()
      let (resident, size) = (Memory.now("VmRSS"), Memory.now("VmSize"))
      do {
        try body(path)
        read += 1
      } catch is FileError {
        refused += 1
      }
      if Memory.now("VmHWM") - resident >= 8 * mutant.count + 16 << 20 { isFrugal = false }
      // Memory that was taken but never touched. What was given back at once does not show here.
      if Memory.now("VmSize") - size >= 8 * mutant.count + 128 << 20 { isFrugal = false }
    }
  }
}

/// The memory of this process.
public enum Memory {
  /// A line of /proc/self/status, in bytes; 0 where there is none.
  public static func now(_ name: String) -> Int {
    let status = (try? String(contentsOfFile: "/proc/self/status", encoding: .utf8)) ?? ""
    let line = status.split(separator: "\n").first { $0.hasPrefix(name) } ?? ""
    return (Int(line.filter(\.isNumber)) ?? 0) * 1024
  }

  /// Makes the peak of resident memory start again from what is resident now.
  public static func forgetPeak() {
    let file = open("/proc/self/clear_refs", O_WRONLY)
    if file >= 0 {
      Foundation.write(file, "5", 1)
      close(file)
    }
  }
}
