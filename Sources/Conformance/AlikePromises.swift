import InstanceNorm

extension Promise {
  /// Promises that a result is the CPU's, or close to it.
  static let alike = [
    Promise("running statistics") { device, tally in
      for layout in Layout.allCases {
        tally.check("\(layout)") {
          func run(on device: Device) throws -> [Double] {
            let norm = try BatchNorm2D(numOfMaps: 4)
            try norm.to(device)
            for seed in 1...3 as ClosedRange<UInt64> {
              try norm(normal([3, 4, 9, 7], mean: 2, seed: seed).placed(.float32, layout, device))
            }
            norm.evalMode()
            let x = try normal([2, 4, 9, 7], mean: 2, seed: 4).placed(.float32, layout, device)
            let y = try norm(x)
            return try [y, gradients(of: (norm(x) * y).sum(), by: x), norm.runningMean, norm.runningVar].flatMap {
              try $0?.array(of: Double.self) ?? []
            }
          }
          return worstDifference(try run(on: device), try run(on: .cpu), allowed: 1e-5)
        }
      }
    },
    Promise("conversions, to the bit") { device, tally in
      let x = try normal([3, 5, 7, 11], deviation: 300)
      for from in device.supportedTypes {
        for (to, layout) in device.typesAndLayouts {
          tally.require("\(from) to \(to), \(layout)") {
            let source = try x.to(from)
            let found = try source.to(device).placed(to, layout, device)
            return try found.layout == layout && sameBits(found, source.to(to))
          }
        }
      }
    },
    Promise("arithmetic and activations") { device, tally in
      let (a, b) = (try normal([2, 3, 13, 11]), try normal([2, 3, 13, 11], seed: 2))
      let operations: [(String, (Tensor, Tensor) throws -> Tensor)] = [
        ("sum", { try $0 + $1 }), ("difference", { try $0 - $1 }), ("product", { try $0 * $1 }),
        ("multiple", { x, _ in try 0.3 * x }),
        (
          "combination",
          { x, y in
            var z = y
            try z.combine(0.3, x, beta: -2)
            return z
          }
        ),
        // Of one sign, so that what the order of adding does is small beside it.
        ("total", { x, _ in try x.absolute().sum() }),
        (
          "filling",
          { x, _ in
            var z = x
            try z.fill(with: 2.5)
            return z
          }
        ),
        ("ReLU", { try outputAndGradient(ReLU(), $0, $1) }),
        ("LeakyReLU", { try outputAndGradient(LeakyReLU(slope: 0.25), $0, $1) }),
        ("Tanh", { try outputAndGradient(Tanh(), $0, $1) }),
      ]
      for dtype in device.supportedTypes {
        for (name, operation) in operations {
          tally.check("\(name), \(dtype)") {
            func run(on device: Device) throws -> [Double] {
              try operation(a.to(dtype).to(device), b.to(dtype).to(device)).array(of: Double.self)
            }
            return worstDifference(try run(on: device), try run(on: .cpu), allowed: tolerance(of: dtype))
          }
        }
      }
    },
    Promise("optimizers' steps") { device, tally in
      let optimizers: [(String, () throws -> Optimizer)] = [
        ("SGD", { try SGD(learnRate: 0.1) }), ("with momentum", { try SGD(learnRate: 0.1, momentum: 0.9) }),
        ("Nesterov's", { try SGD(learnRate: 0.1, momentum: 0.9, nesterov: true) }),
        ("Adam", { try Adam(learnRate: 0.1) }),
      ]
      for dtype in [DType.float32, .float64] where device.supportedTypes.contains(dtype) {
        for (name, optimizer) in optimizers {
          tally.check("\(name), \(dtype)") {
            func run(on device: Device) throws -> [Double] {
              let norm = try device.instanceNorm(maps: 300, dtype)
              let optimizer = try optimizer()
              try optimizer.setup(on: norm)
              for step in 1...5 as ClosedRange<UInt64> {
                for variable in norm.vars.values {
                  variable.grad = try Tensor.randomNormal([300], seed: step, dtype: dtype).to(device)
                }
                try optimizer.update()
              }
              return try (norm.scale?.data.array(of: Double.self) ?? [])
                + (norm.bias?.data.array(of: Double.self) ?? [])
            }
            return worstDifference(try run(on: device), try run(on: .cpu), allowed: 10 * tolerance(of: dtype))
          }
        }
      }
    },
    Promise("20 steps of training with Adam") { device, tally in
      for (dtype, layout) in device.typesAndLayouts where [.float32, .float64].contains(dtype) {
        tally.check("\(dtype), \(layout)") {
          func losses(on device: Device) throws -> [Double] {
            let model = try trainee()
            try model.calcMode(dtype)
            try model.to(device)
            let x = try normal([4, 8, 15, 13], mean: 2).placed(dtype, layout, device)
            let target = try normal([4, 8, 15, 13], seed: 2).placed(dtype, layout, device)
            let optimizer = try Adam(learnRate: 0.05)
            try optimizer.setup(on: model)
            return try (0..<20).map { _ in
              let (loss, gradients) = try valueAndGradients(of: model) { try meanSquaredError(model(x), target) }
              try optimizer.update(gradients)
              return try loss.scalar()
            }
          }
          let (found, expected) = (try losses(on: device), try losses(on: .cpu))
          // A curve that does not fall shows nothing.
          guard let first = expected.first, let last = expected.last, last < 0.9 * first else { return .infinity }
          return worstDifference(found, expected, allowed: dtype == .float64 ? 1e-10 : 1e-4)
        }
      }
    },
  ]
}

/// An activation's result and gradient, one after the other.
private func outputAndGradient(_ module: Module, _ x: Tensor, _ dy: Tensor) throws -> Tensor {
  try module.calcMode(x.dtype)
  return try Tensor(module(x).array(of: Double.self) + module.backward(dy).array(of: Double.self))
}
