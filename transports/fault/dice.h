// Dice: the random decisions about one direction of one connection. Every message or read takes the same number of throws,
// whatever the plan says, so that the n-th one's fate depends on the seed, the connection and n alone.
//
// Plain values; the owner's lock guards them.

#ifndef TIDEWAY_TRANSPORTS_FAULT_DICE_H_
#define TIDEWAY_TRANSPORTS_FAULT_DICE_H_

#include <cstdint>

#include "absl/time/time.h"
#include "tideway/fault_transport.h"

namespace tideway::fault {

class Dice {
 public:
  Dice(uint64_t seed, uint64_t connection, uint64_t direction)
      : state_(Mix(Mix(Mix(seed) ^ connection) ^ direction)) {}

  uint64_t Throw() { return Mix(state_ += kStep); }
  // From 0 to just below 1.
  double Share() { return static_cast<double>(Throw() >> 11) * 0x1.0p-53; }
  bool Chance(double probability) { return Share() < probability; }

 private:
  static constexpr uint64_t kStep = 0x9e3779b97f4a7c15;

  // The finaliser of splitmix64.
  static uint64_t Mix(uint64_t x) {
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
    x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
    return x ^ (x >> 31);
  }

  uint64_t state_;
};

// Of what this end begins.
struct OutboundFate {
  absl::Duration delay;
  bool stall = false;
  bool drop = false;
  bool corrupt_read = false;
  uint64_t where = 0;  // which bit of a read

  OutboundFate() = default;
  OutboundFate(Dice& dice, const FaultPlan& plan) {
    const bool delayed = dice.Chance(plan.delay_probability);
    const double share = dice.Share();
    if (delayed) delay = plan.delay_min + (plan.delay_max - plan.delay_min) * share;
    stall = dice.Chance(plan.stall_probability);
    drop = dice.Chance(plan.drop_probability);
    corrupt_read = dice.Chance(plan.corrupt_read_probability);
    where = dice.Throw();
  }
};

// Of a message that arrives.
struct InboundFate {
  bool reset = false;
  bool corrupt_header = false;
  bool corrupt_payload = false;
  uint64_t where = 0;  // which bit, or how much arrives before a reset

  InboundFate(Dice& dice, const FaultPlan& plan) {
    reset = dice.Chance(plan.reset_probability);
    corrupt_header = dice.Chance(plan.corrupt_header_probability);
    corrupt_payload = dice.Chance(plan.corrupt_payload_probability);
    where = dice.Throw();
  }
};

}  // namespace tideway::fault

#endif  // TIDEWAY_TRANSPORTS_FAULT_DICE_H_
