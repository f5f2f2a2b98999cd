// Two yardsticks without any learning: byte models made by counting.
//
// A neural model that doesn't beat these has learned nothing. Both count the training text and are
// judged on the held-out text, in nats per byte.
//
//   unigram   P1(c) = (n(c) + 1) / (n + 256): add-one, so that an unseen byte keeps some mass.
//   order 2   interpolated Witten-Bell: with n(h) the times that the history h was followed by
//             anything and t(h) the number of different bytes that followed it,
//             P(c | h) = (n(h c) + t(h) P(c | shorter h)) / (n(h) + t(h)), from two bytes of history
//             to one and then to P1. A history never seen leaves P(c | shorter h) as it is.
//
// The first held-out bytes, which lack a history, are judged with what history there is.
#ifndef TIDEWAY_TRAINER_BYTE_MODELS_H_
#define TIDEWAY_TRAINER_BYTE_MODELS_H_

#include "absl/strings/string_view.h"

namespace tideway::trainer {

struct ByteModelLosses {
  double unigram = 0.0;  // nats per byte
  double order2 = 0.0;   // nats per byte
};

// REQUIRES: held_out is not empty.
ByteModelLosses MeasureByteModels(absl::string_view training, absl::string_view held_out);

}  // namespace tideway::trainer

#endif  // TIDEWAY_TRAINER_BYTE_MODELS_H_
