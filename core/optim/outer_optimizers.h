// The built-in outer optimizers, as registry entries. Each stands in a file of its own.

#ifndef TIDEWAY_CORE_OPTIM_OUTER_OPTIMIZERS_H_
#define TIDEWAY_CORE_OPTIM_OUTER_OPTIMIZERS_H_

#include "tideway/outer_optimizer.h"

namespace tideway::optim {

OuterOptimizerEntry SgdEntry();              // sgd:lr=1
OuterOptimizerEntry NesterovEntry();         // nesterov:lr=0.7,momentum=0.9,buffer=1|N|auto
OuterOptimizerEntry DelayedNesterovEntry();  // delayed-nesterov:lr=0.7,momentum=0.9,c=0,n=auto|N

}  // namespace tideway::optim

#endif  // TIDEWAY_CORE_OPTIM_OUTER_OPTIMIZERS_H_
