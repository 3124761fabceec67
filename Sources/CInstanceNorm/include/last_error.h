// For the Swift side of the interface alone; not part of it.

#ifndef INSTANCENORM_LAST_ERROR_H
#define INSTANCENORM_LAST_ERROR_H

void instnorm_set_last_error(const char *message);

#endif
