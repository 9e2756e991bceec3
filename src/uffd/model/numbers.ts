/**
 * errno(3) of Linux, whatever platform the model runs on, and the address-space limits of x86-64. The numbers of the
 * interface itself are in ../constants.ts.
 */

export const EPERM = 1
export const ENOENT = 2
export const ESRCH = 3
export const EINTR = 4
export const EIO = 5
export const EBADF = 9
export const EAGAIN = 11
export const ENOMEM = 12
export const EACCES = 13
export const EFAULT = 14
export const EBUSY = 16
export const EEXIST = 17
export const EINVAL = 22

export const PAGE_SIZE = 4096
export const HUGE_PAGE_SIZE = 2 * 1024 * 1024
export const GIGANTIC_PAGE_SIZE = 1024 * 1024 * 1024
/** End of user addresses. */
export const TASK_SIZE = 2 ** 47 - PAGE_SIZE
