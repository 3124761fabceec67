import Calls
import Tensors

package struct ReferenceBinary {
  private let call: BinaryCall

  package init(_ call: BinaryCall) { self.call = call }

  package func run() {
    call.extents.forEachPlace { place in
      call.output[place] = call.function.value(of: call.first[place], call.second[place])
    }
  }
}

extension BinaryFunction {
  func value(of a: Double, _ b: Double) -> Double {
    switch self {
    case .add: a + b
    case .subtract: a - b
    case .multiply: a * b
    case .divide: a / b
    case .maximum: a.isNaN || b.isNaN ? .nan : max(a, b)
    case .minimum: a.isNaN || b.isNaN ? .nan : min(a, b)
    case .gate(let slope): b > 0 ? a : slope == 0 ? 0 : a * slope
    }
  }
}
