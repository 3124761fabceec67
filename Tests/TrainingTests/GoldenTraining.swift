import Foundation
import TestSupport
import Testing
import Training

/// A kind of training of the golden file, and what PyTorch makes of three steps of it.
struct GoldenTraining {
  let kind: String
  let folder = TemporaryFolder()
  private let file: SafetensorsFile

  init(_ kind: String) throws {
    self.kind = kind
    file = try SafetensorsFile(contentsOf: golden("trainers.safetensors"))
  }

  subscript(key: String) -> Tensor {
    get throws { try file.tensor(named: "\(kind).\(key)").to(.float64) }
  }

  /// A picture of the file in a folder of its own.
  func pictures(_ name: String) throws -> String {
    let path = folder.file(name)
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    try Picture(colors: picture(name)).write(to: "\(path)/only.png")
    return path
  }

  /// (1, 3, H, W), of 0 to 1.
  func picture(_ name: String) throws -> Tensor { try self[name].to(.float32) / 255 }

  /// Gives a network the weights that the training begins with.
  func load(_ network: Network, _ name: String) throws {
    let path = folder.file("\(name).safetensors")
    try SafetensorsFile.write(tensors("\(name)\(name == "judge" ? "" : ".weights")"), to: path)
    try network.load(from: path)
    try network.calcMode(.float64)
  }

  private func tensors(_ prefix: String) throws -> [String: Tensor] {
    var tensors: [String: Tensor] = [:]
    for key in file.names where key.hasPrefix("\(kind).\(prefix).") {
      tensors[String(key.dropFirst("\(kind).\(prefix).".count))] = try file.tensor(named: key)
    }
    return tensors
  }

  /// Takes three steps and holds losses, the first step's gradients and the variables after the last to PyTorch's.
  ///
  /// - Parameters:
  ///   - networks: under their names in the file.
  ///   - optimizers: which networks the trainer's optimizers train, in their order there.
  ///   - names: of the losses, in the order of the file.
  func check(
    _ trainer: some Trainer, _ networks: [String: Network], optimizers: [String: [String]], losses names: [String]
  ) throws {
    let wanted = try self["losses"].array(of: Double.self)
    for step in 0..<3 {
      let losses = try trainer.step(step + 1)
      #expect(Set(losses.names) == Set(names))
      for (index, name) in names.enumerated() {
        let (got, wanted) = (try #require(losses[name]), wanted[step * names.count + index])
        #expect(abs(got - wanted) <= 1e-6 * max(abs(wanted), 1), "step \(step + 1), \(name): \(got), \(wanted)")
      }
      if step > 0 { continue }
      // What Adam keeps of the gradient after one step is 1 - beta1 of it.
      let checkpoint = try Checkpoint(of: trainer.parts)
      for (optimizer, trained) in optimizers {
        let kept = 1 - (try #require(trainer.parts[optimizer] as? Adam)).beta1
        for (place, name) in trained.enumerated() {
          let prefix = trained.count == 1 ? "" : "\(place)."
          try compare(#require(networks[name]), "\(name).grads", within: 1e-6) { path, variable in
            try checkpoint.tensor(named: "\(optimizer)/\(prefix)\(path)/0", like: variable.data) / kept
          }
        }
      }
    }
    // Adam makes of any gradient a step of its learn rate, 1e-3 or 2e-4.
    for (name, network) in networks { try compare(network, "\(name).after", within: 1e-6) { $1.data } }
  }

  private func compare(
    _ network: Network, _ prefix: String, within tolerance: Double, _ tensor: (String, Variable) throws -> Tensor
  ) throws {
    #expect(!network.variables.isEmpty)
    for (path, variable) in network.variables {
      let key = path.hasSuffix(".scale") ? path.dropLast(5) + "weight" : path[...]
      let (got, wanted) = (try tensor(path, variable).doubles, try self["\(prefix).\(key)"].doubles)
      let largest = max(wanted.map(abs).max() ?? 0, 1)
      let worst = worst(zip(got, wanted).map { abs($0 - $1) })
      #expect(got.count == wanted.count && worst <= tolerance * largest, "\(prefix).\(key): \(worst)")
    }
  }
}
