import Calls
import Tensors

package struct ReferenceReduction {
  private let call: ReductionCall

  package init(_ call: ReductionCall) { self.call = call }

  package func run() {
    call.kept.forEachPlace { kept in
      var (sum, largest) = (0.0, -Double.infinity)
      call.reduced.forEachPlace { reduced in
        let value = call.input[kept + reduced]
        sum += value
        largest = value.isNaN || largest.isNaN ? .nan : max(largest, value)
      }
      call.output[kept] =
        switch call.function {
        case .sum: sum
        case .mean: sum / Double(call.reduced.product)
        case .max: largest
        }
    }
  }
}

extension Axes {
  static func + (_ first: Axes, _ second: Axes) -> Axes {
    var result = first
    for value in second { result.append(value) }
    return result
  }
}
